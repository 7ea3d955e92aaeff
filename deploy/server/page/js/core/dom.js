/** Makes elements, and changes text and attributes only where they differ. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with attributes, properties (`.name`), listeners (`onname`) and children.
 * @param {string} tag of HTML, or `svg:tag`
 * @param {Record<string, any>} [attributes] null and false are omitted; true is an empty attribute
 * @param {...(Node|string|null|undefined)} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = tag.startsWith("svg:") ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith(".")) element[name.slice(1)] = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else set(element, name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets an attribute; null and false remove it. @param {Element} element @param {string} name @param {any} value */
export function set(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else {
    const text = value === true ? "" : String(value);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

/** Sets the text of an element. @param {Element} element @param {string|null} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {HTMLElement} element @param {boolean} shown */
export function show(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

/** Replaces the children of an element. @param {Element} element @param {...(Node|string|null|undefined)} children */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
}

/** Whether keys belong to the element in focus, because one writes or chooses in it. @param {EventTarget|null} target */
export function writing(target) {
  return target instanceof Element && target.closest("input:not([type=range]):not([type=checkbox]), textarea, select") !== null;
}

/** Runs `work` once in the next frame of the screen, however often it is requested before. @param {() => void} work */
export function perFrame(work) {
  let wanted = 0;
  return () => {
    if (!wanted) wanted = requestAnimationFrame(() => { wanted = 0; work(); });
  };
}

/** Keeps the focus within an element while Tab is pressed. @param {HTMLElement} element @param {KeyboardEvent} event */
export function trapFocus(element, event) {
  if (event.key !== "Tab") return;
  /** @type {NodeListOf<HTMLElement & {disabled?: boolean}>} */
  const controls = element.querySelectorAll("button, a[href], input, select, [tabindex='0']");
  const able = [...controls].filter(
    (each) => !each.disabled && each.tabIndex >= 0 && each.getClientRects().length,
  );
  if (!able.length) return;
  const edge = event.shiftKey ? able[0] : able[able.length - 1];
  if (document.activeElement === edge || !element.contains(document.activeElement)) {
    (event.shiftKey ? able[able.length - 1] : able[0]).focus();
    event.preventDefault();
  }
}
