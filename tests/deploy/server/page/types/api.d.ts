// The service's OpenAPI, as python -m tests.deploy.server.page.types.openapi_types writes it.

declare namespace Api {
  interface ActivityAnswer {
    clock: "utc" | "source";
    since: string | number;
    until: string | number;
    step_s: number;
    keyframes: number[];
    regions: number[];
    sources: SourceActivity[];
  }

  interface AlarmAnswer {
    rank: number | null;
    distance: number;
    semantic: number | null;
    geometric: number | null;
    source: string;
    pts_s: number;
    time: string | null;
    shot_s: [number, number] | null;
    box: [number, number, number, number];
    frame_id: string;
    region_id: string | null;
    proposer: string;
    source_id: string | null;
    pts?: number | null;
    label: string | null;
    track: string | null;
    confidence: number | null;
    score: number | null;
    human_label: string | null;
    verdict: string | null;
    until_s?: number | null;
    then?: Moment | null;
    id: string;
    found_at: string;
  }

  interface AlarmListAnswer {
    alarms: AlarmAnswer[];
    more: boolean;
  }

  interface ExportBody {
    format: "csv" | "json" | "html";
    moments: number;
    query?: Record<string, any>;
  }

  interface FeedAnswer {
    name: string;
    state: string;
    since: string;
    behind_s: number | null;
    frames_per_s: number;
    error: string | null;
    reported: string;
  }

  interface FeedBody {
    name: string;
    url: string;
    user?: string | null;
    password?: string | null;
    paused?: boolean;
  }

  interface FeedStateAnswer {
    name: string;
    address: string | null;
    state: string;
    since: string | null;
    paused: boolean;
    behind_s: number | null;
    frames_per_s: number;
    keyframes: number;
    shed: number;
    error: string | null;
    changeable: boolean;
    source_id: string | null;
    newest_frame: string | null;
    newest: string | null;
  }

  interface FeedStatesAnswer {
    feeds: FeedStateAnswer[];
    follower: FollowerAnswer;
    can_add: boolean;
  }

  interface FollowerAnswer {
    running: boolean;
    reported: string | null;
    findable_s: number | null;
    error: string | null;
  }

  interface FrameAnswer {
    id: string;
    source: string;
    source_id: string;
    pts_s: number;
    time: string | null;
    width_px: number;
    height_px: number;
    previous: string | null;
    next: string | null;
    clip_s: [number, number] | null;
    regions: RegionAnswer[];
  }

  interface FrameListAnswer {
    frames: ListedFrame[];
    more: boolean;
  }

  interface GroupAnswer {
    source: string;
    source_id: string;
    ranks: number[];
    start_s: number;
    stop_s: number;
    start: string | null;
    stop: string | null;
  }

  interface Hit {
    rank: number;
    distance: number;
    semantic: number | null;
    geometric: number | null;
    source: string;
    pts_s: number;
    time: string | null;
    shot_s: [number, number] | null;
    box: [number, number, number, number];
    frame_id: string;
    region_id: string | null;
    proposer: string;
    source_id: string;
    pts: number;
    label: string | null;
    track: string | null;
    confidence: number | null;
    score: number | null;
    human_label: string | null;
    verdict: string | null;
    until_s?: number | null;
    then?: Moment | null;
  }

  interface IngestAnswer {
    folders: string[];
    run: IngestRunAnswer | null;
  }

  interface IngestBody {
    folder: string;
    path?: string;
  }

  interface IngestErrorAnswer {
    source: string;
    error: string;
  }

  interface IngestNoteAnswer {
    source: string;
    note: string;
  }

  interface IngestRunAnswer {
    folder: string;
    state: "running" | "done" | "failed" | "stopped";
    began: string;
    progress: Record<string, number>;
    skipped: number;
    errors: IngestErrorAnswer[];
    notes: IngestNoteAnswer[];
    error: string | null;
  }

  interface LakeAnswer {
    name: string;
    keyframes: number;
    regions: number;
    sources: Record<string, number>;
    segments: Record<string, number>;
    generation: number;
    disk_bytes: number | null;
    writer: string | null;
    error: string | null;
    refusals: Record<string, any>[];
  }

  interface LakeStorageAnswer {
    tables: TableAnswer[];
    disk_bytes: number | null;
    near_duplicates: number | null;
    video: VideoAnswer[];
    upkeep: UpkeepAnswer | null;
    refused_batches: number;
  }

  interface ListedFrame {
    id: string;
    source_id: string;
    pts_s: number;
    time: string | null;
  }

  interface Login {
    token: string;
  }

  interface MaskAnswer {
    size: [number, number];
    counts: string;
  }

  interface MeAnswer {
    name: string;
    role: "viewer" | "operator" | "admin";
    signed_in: boolean;
    rights: string[];
    sources: string[] | null;
  }

  interface ModelAnswer {
    name: string;
    state: "loading" | "ready" | "failed";
    error: string | null;
    confidence: boolean | null;
  }

  interface Moment {
    rank: number;
    distance: number;
    semantic: number | null;
    geometric: number | null;
    source: string;
    pts_s: number;
    time: string | null;
    shot_s: [number, number] | null;
    box: [number, number, number, number];
    frame_id: string;
    region_id: string | null;
    proposer: string;
    source_id: string;
    pts: number;
    label: string | null;
    track: string | null;
    confidence: number | null;
    score: number | null;
    human_label: string | null;
    verdict: string | null;
    until_s?: number | null;
  }

  interface PassAnswer {
    began: string;
    took_s: number;
    fragments_before: number;
    fragments_after: number;
    freed_bytes: number;
    removed: number;
    trimmed: number;
    removed_bytes: number;
    video_files: number;
    video_bytes: number;
    put_off: number;
    video_waits: boolean;
    errors: string[];
  }

  interface PinAnswer {
    id: string;
    source: string;
    source_id: string | null;
    start_s: number | null;
    stop_s: number | null;
    start: string | null;
    stop: string | null;
    frame: string | null;
    pinned_at: string;
    expires: string | null;
  }

  interface PinBody {
    frame: string;
    days?: number | null;
  }

  interface PinListAnswer {
    pins: PinAnswer[];
    error: string | null;
  }

  interface RegionAnswer {
    id: string;
    box: [number, number, number, number];
    proposer: string;
    score: number;
    label: string | null;
    track: string | null;
    human_label: string | null;
    verdict: string | null;
  }

  interface RegionBody {
    image?: string | null;
    frame?: string | null;
    points?: [number, number][];
    not_points?: [number, number][];
    prompt?: string | null;
    prompt_box?: [number, number, number, number] | null;
  }

  interface RegionChoiceAnswer {
    box: [number, number, number, number];
    area: number;
    outline: [number, number][][];
    mask: MaskAnswer;
  }

  interface RehearsalAnswer {
    by: "confidence" | "distance";
    limit: number;
    low: number;
    high: number;
    counts: number[];
    frames: number;
    more: boolean;
    fired: number;
    hits: Hit[];
    above: Hit[];
    below: Hit[];
  }

  interface RehearsalBody {
    query: SearchBody;
    max_distance?: number | null;
    cooldown_s?: number;
    stay_s?: number;
    hours?: string | null;
    since?: number | string | null;
    until?: number | string | null;
  }

  interface SearchAnswer {
    query: Record<string, any>;
    took_ms: number;
    exact: boolean;
    recall_target: number | null;
    access_path: string;
    shards: number;
    from_lake: number[];
    explained: Record<string, any> | null;
    candidates: number;
    without_vector: number;
    generation: number;
    region: [number, number, number, number] | null;
    by_meaning_alone?: string[];
    omitted?: string[];
    hits: Hit[];
    groups: GroupAnswer[];
  }

  interface SearchBody {
    region?: string | null;
    sources?: string[];
    source?: string | null;
    order?: "relevance" | "newest" | "oldest";
    group?: "none" | "source" | "visit";
    text?: string | null;
    box?: [number, number, number, number] | null;
    image?: string | null;
    roi?: [number, number, number, number] | null;
    frame?: string | null;
    points?: [number, number][];
    not_points?: [number, number][];
    prompt?: string | null;
    prompt_box?: [number, number, number, number] | null;
    text_weight?: number;
    not?: string[];
    not_weight?: number;
    not_rois?: [number, number, number, number][];
    like?: string[];
    unlike?: string[];
    not_frames?: string[];
    then?: string | null;
    then_box?: [number, number, number, number] | null;
    within?: number;
    methods?: Record<string, number> | ("regions" | "global" | "codes" | "detail" | "representatives" | "representatives-global" | "patches" | "votes" | "votes-unique" | "votes-weighted" | "votes-weighted-unique" | "growing" | "correlation")[];
    fuse?: "rrf" | "weighted";
    candidates?: number;
    geometry?: "iou" | "giou" | "centroid" | "shape" | "area" | "inside";
    norm?: "raw" | "minmax" | "zscore" | "rrf";
    weight?: number;
    prior?: number;
    zones?: (string | [number, number, number, number] | [number, number][] | ServedZone)[];
    min_inside?: number;
    min_confidence?: number | null;
    since?: number | string | null;
    until?: number | string | null;
    k?: number;
  }

  interface SearchesAnswer {
    answered: number;
    running: number;
    waiting: number;
    p50_ms: number | null;
    p95_ms: number | null;
  }

  interface ServedZone {
    corners: [number, number][];
    source?: string | null;
    sources?: string[];
  }

  interface SourceActivity {
    id: string;
    name: string;
    keyframes: number[];
    regions: number[];
  }

  interface SourceAnswer {
    id: string;
    name: string;
    kind: string;
    state: string;
    recordings: number;
    keyframes: number;
    width_px: number | null;
    height_px: number | null;
    start_s: number | null;
    stop_s: number | null;
    start: string | null;
    stop: string | null;
    newest_frame: string | null;
    error: string | null;
  }

  interface SourceListAnswer {
    sources: SourceAnswer[];
  }

  interface SqlAnswer {
    columns: SqlColumn[];
    rows: any[][];
    more: boolean;
  }

  interface SqlBody {
    query: string;
    rows?: number;
    sources?: string[];
    since?: number | string | null;
    until?: number | string | null;
  }

  interface SqlColumn {
    name: string;
    type: string;
  }

  interface StatusAnswer {
    version: string;
    started: string;
    model: ModelAnswer;
    lake: LakeAnswer;
    feeds: FeedAnswer[];
    searches: SearchesAnswer;
  }

  interface TableAnswer {
    name: string;
    rows: number;
    bytes: number;
    fragments: number;
  }

  interface UpkeepAnswer {
    at: string;
    since: string;
    doing: string | null;
    passes: number;
    failed_passes: number;
    removed: number;
    removed_bytes: number;
    last: PassAnswer | null;
    held: string[];
    last_error: string | null;
  }

  interface UploadAnswer {
    id: string;
    width_px: number;
    height_px: number;
  }

  interface VideoAnswer {
    feed: string;
    files: number;
    bytes: number;
    first: string;
    last: string;
  }

  interface WatchAnswer {
    name: string;
    title: string;
    paused: boolean;
    query: Record<string, any>;
    sources: string[];
    max_distance: number | null;
    cooldown_s: number;
    stay_s: number;
    hours: string | null;
    fired: number;
    recently: number;
    newest: string | null;
    error: string | null;
  }

  interface WatchBody {
    query: SearchBody;
    max_distance?: number | null;
    cooldown_s?: number;
    stay_s?: number;
    hours?: string | null;
    title: string;
    paused?: boolean;
  }

  interface WatchListAnswer {
    watches: WatchAnswer[];
    watching: number;
    behind: number;
    error: string | null;
  }
}
