// A table's row as the numbers and codes that a network takes: docs/tables.md and xpmlp/data/tables/raw.py.  A cell
// is null for a gap, a number, a text, or "2024-01-31" or "2024-01-31T14:05" for a date and "14:05" for a time of day.
// Of words there are checksums.
const CYCLES = { month: 12, day: 31, weekday: 7, hour: 24 };
const DAY = 86400000;

function scaled(feature, raw) {
  if (Number.isNaN(raw)) return 0;
  if (!feature.bent && feature.scale === 1 && feature.center === 0) return Math.fround(raw);
  const z = clip((raw - feature.center) * feature.scale, 1e8);
  return Math.fround(feature.bent ? z / Math.sqrt(1 + (z / 3) ** 2) : z);
}

/** Milliseconds by which the clocks of a zone are ahead of UTC at an instant. */
function offset(zone, instant) {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric",
    hour: "numeric", minute: "numeric", second: "numeric",
  });
  const told = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
  return Date.UTC(told.year, told.month - 1, told.day, told.hour, told.minute, told.second) - instant;
}

function dateParts(text, zone) {
  const wall = Date.parse(text.includes("T") ? `${text}Z` : `${text}T00:00Z`), date = new Date(wall);
  const instant = zone ? wall - offset(zone, wall - offset(zone, wall)) : wall;
  return {
    days: instant / DAY,
    year: date.getUTCFullYear(),
    month: date.getUTCMonth(),
    day: date.getUTCDate() - 1,
    weekday: (date.getUTCDay() + 6) % 7,
    hour: date.getUTCHours() + date.getUTCMinutes() / 60,
  };
}

function cycled(parts, part) {
  if (part in parts) return parts[part];
  const [name, wave] = part.split(" "), angle = (2 * Math.PI * parts[name]) / CYCLES[name];
  return wave === "sin" ? Math.sin(angle) : Math.cos(angle);
}

function crc32(text) {
  let sum = ~0;
  for (const byte of new TextEncoder().encode(text)) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

/** The checksums of a text's words, by `words_of` of xpmlp/data/tables/cells.py. */
const wordsOf = (text) =>
  new Set((text.replaceAll("\u0130", "i\u0307").match(/\p{L}+/gu) || []).map((word) => crc32(word.toLowerCase())));

function textNumbers(column, text) {
  const numbers = column.features.map(() => 0), buckets = numbers.length - 1 - column.words.length;
  numbers[0] = Math.log1p([...text].length);
  for (const sum of wordsOf(text)) {
    const known = column.words.indexOf(sum);
    if (known >= 0) numbers[1 + known] = 1;
    else if (buckets) numbers[1 + column.words.length + (sum % buckets)] = 1;
  }
  return numbers;
}

/** A text as `as_texts` of xpmlp/data/tables/cells.py reads it: without blanks around it, and null for a gap. */
function stripped(text, gaps) {
  const bare = text.replace(/^[\p{White_Space}\ufeff]+|[\p{White_Space}\ufeff]+$/gu, "");
  return gaps.includes(bare) ? null : bare;
}

/** The raw numbers of a column's features for a cell that is no gap. */
function rawNumbers(column, cell) {
  if (column.kind === "text") return textNumbers(column, cell);
  if (column.kind === "date") {
    const parts = dateParts(cell, column.zone);
    return column.features.map((feature) => cycled(parts, feature.part));
  }
  if (column.kind === "clock") {
    const [hour, minute] = cell.split(":").map(Number), parts = { hour: hour + minute / 60 };
    return column.features.map((feature) => cycled(parts, feature.part));
  }
  return [Number(cell)];
}

const bin = (edges, value) => (Number.isNaN(value) ? 0 : 1 + edges.filter((edge) => edge < value).length);

/** The numbers of a column's statistic, which says what the targets of training were at its values. */
function statisticNumbers(column, cell, source) {
  const { means, edges, words } = column.statistic;
  if (column.codes) return means[source];
  if (column.kind === "text") {
    const sums = means[0].map(() => 0);
    for (const sum of cell === null ? [] : wordsOf(cell)) {
      const known = words.indexOf(sum);
      if (known >= 0) means[known].forEach((mean, place) => { sums[place] += mean; });
    }
    return sums;
  }
  return means[bin(edges, source)];
}

/** Those of a pair of columns: the sum of a mean of each, and of one where both have certain values together. */
function pairNumbers(pair, sources) {
  const places = pair.sides.map((side) => (side.codes ? sources[side.column] : bin(side.edges, sources[side.column])));
  const added = pair.means[pair.cells.indexOf(places[0] * pair.sides[1].means.length + places[1])];
  return pair.sides[0].means[places[0]].map(
    (mean, target) => mean + pair.sides[1].means[places[1]][target] + (added ? added[target] : 0));
}

/** `cells` are in the order of the columns; of a category its code, of an ordered one its rank, of a truth 1 or -1. */
function encode(encoding, cells) {
  const numbers = [], codes = [], gaps = {}, sources = {};
  const add = (features, values) => features.forEach((feature, number) => numbers.push(scaled(feature, values[number])));
  encoding.columns.forEach((column, place) => {
    const given = cells[place];
    const cell = column.kind === "text" && given !== null ? stripped(given, encoding.gaps) : given;
    gaps[column.name] = cell === null;
    const code = cell === null ? 1 : Number(cell);
    if (column.codes) codes.push(code);
    const raw = cell === null || column.codes ? column.features.map(() => NaN) : rawNumbers(column, cell);
    const source = column.codes ? code : column.kind === "date" ? Math.floor(raw[0]) : raw[0];
    sources[column.name] = source;
    add(column.features, raw);
    if (column.statistic) add(column.statistic.features, statisticNumbers(column, cell, source));
  });
  for (const indicator of encoding.indicators) numbers.push(indicator.some((name) => gaps[name]) ? 1 : 0);
  for (const pair of encoding.pairs) add(pair.features, pairNumbers(pair, sources));
  return { numbers: numbers.length ? numbers : [0], codes };
}
