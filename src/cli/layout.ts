/** Text in columns, as a terminal counts them. Pure: how wide the window is, and whether there is one, is the caller's. */

/** Columns that a terminal gives to the text: two for East Asian wide characters and emoji, none for marks. */
export function width(text: string): number {
  // Most of a table is of this kind, and segmenting is slow.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let columns = 0;
  for (const { segment } of segments.segment(text)) columns += widthOfSegment(segment);
  return columns;
}

/** Columns that one character as people see it takes. */
export function widthOfSegment(segment: string): number {
  return wide.test(segment) ? 2 : 1;
}

export const segments = new Intl.Segmenter();

const wide =
  /^(?:[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\p{Emoji}\ufe0f)/u;

/** The text, or its beginning and … where it is wider than `columns`. */
export function cut(text: string, columns: number): string {
  return width(text) <= columns ? text : `${head(text, columns - 1)}…`;
}

/** As much of the text as fits. */
function head(text: string, columns: number): string {
  let taken = 0;
  for (const { segment, index } of segments.segment(text)) {
    taken += widthOfSegment(segment);
    if (taken > columns) return text.slice(0, index);
  }
  return text;
}

/** Filled up with blanks. */
export function padded(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - width(text)));
}

/** Lines no wider than `columns`, at least 2; words stay whole where they can. */
export function wrap(text: string, columns: number): string[] {
  return text
    .split("\n")
    .flatMap((line) => (columns === Number.POSITIVE_INFINITY ? line : wrapLine(line, columns)));
}

/** One pass, whatever the line holds: others write it. Blanks are dropped where the line is broken, and at its end. */
function wrapLine(line: string, columns: number): string[] {
  const text = line.trimEnd();
  const lines: string[] = [];
  let start = 0;
  /** Columns since `start`. */
  let taken = 0;
  /** Where the last word of this line ended that another one may follow. */
  let end: number | null = null;
  let word = { start: 0, columns: 0 };
  let isInWord = false;
  for (const { segment, index } of segments.segment(text)) {
    const isBlank = segment.trim() === "";
    if (isBlank && isInWord) end = index;
    if (!isBlank && !isInWord) word = { start: index, columns: 0 };
    isInWord = !isBlank;
    const more = widthOfSegment(segment);
    // Blanks behind a word only count when the next word is there.
    if (taken + more > columns && (isInWord || end === null)) {
      lines.push(text.slice(start, end ?? index));
      start = end === null ? index : word.start;
      taken = end === null ? 0 : word.columns;
      end = null;
    }
    taken += more;
    word.columns += more;
  }
  return [...lines, text.slice(start)];
}

export interface Column {
  title: string;
  /** Whether it is shortened before others are. */
  gives?: boolean;
  /** It is left out where there is no room, the highest first. Without: never. */
  spare?: number;
}

export interface Cell {
  text: string;
  /** Puts colour on it, once it has its width. */
  paint?: (text: string) => string;
}

/** What a column that gives keeps as long as others can be left out. */
const keeps = 8;
/** What every column keeps. */
const least = 4;

/** Rows under their titles, no wider than `room`. */
export function table(
  columns: readonly Column[],
  rows: ReadonlyArray<readonly Cell[]>,
  room: number,
): string[] {
  const lines = [columns.map(({ title }): Cell => ({ text: title })), ...rows];
  // Not spread into a call: there may be more rows than it takes arguments.
  const natural = columns.map((_, at) =>
    lines.reduce((widest, line) => Math.max(widest, width(line[at]?.text ?? "")), 0),
  );
  const shown = columnsFor(columns, natural, room);
  const widths = widthsFor(columns, natural, shown, room);
  return lines.map((line) =>
    shown
      .map((at, place) => {
        const { text = "", paint = (plain: string) => plain } = line[at] ?? {};
        const fitted = cut(text, widths[place] ?? 0);
        const isLast = place === shown.length - 1;
        return paint(fitted) + (isLast ? "" : padded("", (widths[place] ?? 0) - width(fitted)));
      })
      .join(gap)
      .trimEnd(),
  );
}

const gap = "  ";

/** The places of the columns that there is room for. */
function columnsFor(columns: readonly Column[], natural: readonly number[], room: number): number[] {
  let shown = [...columns.keys()];
  for (;;) {
    const needed = shown.map((at) =>
      columns[at]?.gives === true ? Math.min(keeps, natural[at] ?? 0) : (natural[at] ?? 0),
    );
    const spares = shown.map((at) => columns[at]?.spare ?? 0);
    const most = Math.max(...spares);
    if (total(needed) <= room || most === 0) return shown;
    shown = shown.filter((_, place) => place !== spares.indexOf(most));
  }
}

function widthsFor(
  columns: readonly Column[],
  natural: readonly number[],
  shown: readonly number[],
  room: number,
): number[] {
  const widths = shown.map((at) => natural[at] ?? 0);
  const shrink = (mayShrink: (place: number) => boolean) => {
    while (total(widths) > room) {
      const widest = Math.max(...widths.filter((_, place) => mayShrink(place)));
      if (widest < 0) return;
      widths[widths.findIndex((each, place) => each === widest && mayShrink(place))] = widest - 1;
    }
  };
  shrink((place) => columns[shown[place] ?? 0]?.gives === true && (widths[place] ?? 0) > keeps);
  shrink((place) => (widths[place] ?? 0) > least);
  return widths;
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, each) => sum + each, 0) + gap.length * (widths.length - 1);
}
