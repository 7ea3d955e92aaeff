"""`regionlake --help` lists the commands by what one wants to do."""

from typing import TYPE_CHECKING

from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter  # Typer's own copy of Click

SECTIONS: dict[str, tuple[str, ...]] = {
    "Fill a lake": ("ingest", "feeds", "plan"),
    "Ask it": ("search", "watch", "sql", "export", "labels"),
    "Serve it": ("serve", "users", "audit", "mcp"),
    "Look after it": ("status", "check", "repair", "copy", "upkeep", "pin", "unpin", "forget", "spool"),
    "Models and the machine": ("models", "lab", "doctor"),
}


class SectionedGroup(TyperGroup):
    """A group whose help has its visible commands in SECTIONS; one without a section is listed last."""

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        shown = {name: each for name, each in commands.items() if each is not None and not each.hidden}
        longest = max(map(len, shown))
        limit = formatter.width - 6 - longest
        others = tuple(name for name in shown if not any(name in names for names in SECTIONS.values()))
        for title, names in {**SECTIONS, "Others": others}.items():
            rows = [(name, shown[name].get_short_help_str(limit)) for name in names if name in shown]
            if rows:
                with formatter.section(title):  # descriptions of all sections are in one column
                    formatter.write_dl(rows, col_spacing=longest + 2 - max(len(name) for name, _ in rows))
