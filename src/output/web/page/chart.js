// A chart over time as SVG, with gaps for unknown values and a cursor for mouse, finger and arrow keys.

import { html, put, set, svg } from './dom.js';
import { moment, t } from './text.js';

const LEFT = 54;
const RIGHT = 8;
const TOP = 10;
const BOTTOM = 22;

/** About `count` round steps that cover low to high. */
export function ticks(low, high, count = 4) {
  const rough = (high - low || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((size) => size >= rough * 0.999);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, n) => +((first + n) * step).toPrecision(12));
}

const HOUR = 3600;
const DAY = 86400;

/** The patterns of what is not allowed, one per colour of a rule. */
const hatches = (colours) => colours.map((colour) => svg('pattern', { id: `hatch-${colour}`, width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' }, svg('rect', { class: `tint ${colour}`, width: 6, height: 6 }), svg('rect', { class: `hatch ${colour}`, width: 1.4, height: 6 })));
/** Width of a letter of a label, px. */
const LETTER = 5.8;

/** Times on the axis: round local times. */
function times(from, to, width) {
  const most = Math.max(2, Math.floor(width / 72));
  const step = [300, 600, 900, 1800, HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 61 * DAY].find((size) => (to - from) / size <= most + 0.5) ?? 122 * DAY;
  const offset = -new Date(to * 1000).getTimezoneOffset() * 60;
  const marks = [];
  for (let at = Math.ceil((from + offset) / step) * step - offset; at <= to; at += step) marks.push(at);
  const format = step >= DAY ? { day: 'numeric', month: 'numeric' } : { hour: '2-digit', minute: '2-digit' };
  return marks.map((at) => [at, moment(at, format)]);
}

/**
 * `series`: [{ name, css, values, kind: 'line' | 'area' | 'step' | 'bar' | 'curtain', split, below }]; a curtain hangs from the upper edge down
 * to its values, one `below` stands on the lower edge, and neither widens the axis; `write(value)`, `axis(value)`, `zero`: the axis includes
 * zero, `ends`: [low, high] at least, `room`: what the axis adds to the values; `title`. The cursor of one chart is shown in all:
 * `onmove(moment | undefined)`.
 */
export function chart({ title, series, write, axis, ends = [], zero, room = 1, onmove }) {
  const readout = series.map(({ name, css }) => ({ node: html('b'), item: html('li', { class: css }, html('i', { 'aria-hidden': 'true' }), series.length > 1 ? `${name} ` : '') }));
  readout.forEach(({ node, item }) => item.append(node));
  const at = html('span', { class: 'at' });
  const plot = html('div', { class: 'plot', role: 'slider', tabindex: 0, 'aria-label': t('cursor_of', { title }), 'aria-valuemin': 0 });
  const empty = html('p', { class: 'empty', hidden: true }, t('no_history'));
  const node = html('figure', {}, html('figcaption', {}, html('h3', {}, title), at), html('ul', { class: 'legend' }, readout.map(({ item }) => item)), plot, empty);
  const cursor = svg('line', { class: 'cursor', y1: TOP });
  let moments = [];
  let columns = [];
  let span_ = [0, 1];
  let format = {};
  let piece = 0;
  let hung = [];
  let marked = [];
  let x = () => 0;
  let index;

  function draw() {
    const width = plot.clientWidth;
    const height = plot.clientHeight;
    const known = columns.filter((_, number) => series[number].kind !== 'curtain').flat().filter(Number.isFinite);
    empty.hidden = known.length > 0;
    plot.hidden = !known.length;
    if (!known.length || width < 80) return;
    const reached = [...known.map((value) => value * room), ...ends, ...(zero ? [0] : [])];
    const [low, high] = [Math.min(...reached), Math.max(...reached)];
    const marks = ticks(low, high === low ? low + 1 : high, height > 150 ? 4 : 3);
    const [bottom, top] = [marks[0], marks.at(-1)];
    const [from, to] = span_;
    x = (time) => LEFT + ((time - from) / (to - from)) * (width - LEFT - RIGHT);
    const y = (value) => TOP + ((top - value) / (top - bottom)) * (height - TOP - BOTTOM);
    const n = (value) => value.toFixed(1);
    const base = y(Math.max(bottom, Math.min(top, 0)));
    const grid = marks.map((value) => svg('g', {}, svg('line', { class: value === 0 && bottom < 0 ? 'zero' : 'grid', x1: LEFT, x2: width - RIGHT, y1: n(y(value)), y2: n(y(value)) }),
      svg('text', { x: LEFT - 6, y: n(y(value) + 4), 'text-anchor': 'end' }, axis(value))));
    // Labels at the ends are moved inwards to fit; a digit is slightly more than 6 px wide.
    const inside = (at, text) => Math.min(Math.max(at, LEFT + 12), width - Math.max(18, text.length * 3.3));
    const below = times(from, to, width - LEFT - RIGHT).map(([time, text]) => svg('text', { x: n(inside(x(time), text)), y: height - 5, 'text-anchor': 'middle' }, text));
    const each = x(from + piece) - x(from);
    const bars = series.filter(({ kind }) => kind === 'bar').length;
    const drawn = series.map(({ kind, css, split }, number) => {
      const group = svg('g', { class: `series ${css}` });
      if (split) {
        // One colour above zero, another one below.
        const at = (base - TOP) / (height - TOP - BOTTOM);
        group.append(svg('linearGradient', { id: 'split', gradientUnits: 'userSpaceOnUse', x1: 0, x2: 0, y1: TOP, y2: height - BOTTOM },
          [['above', 0], ['above', at], ['below', at], ['below', 1]].map(([name, offset]) => svg('stop', { class: name, offset }))));
        group.classList.add('split-colours');
      }
      if (kind === 'bar') {
        const place = series.slice(0, number).filter((other) => other.kind === 'bar').length;
        const thick = Math.max(1, (each * 0.72) / bars);
        columns[number].forEach((value, i) => value && group.append(svg('rect', { class: 'column', x: n(x(moments[i]) + each * 0.14 + place * thick), width: n(Math.max(1, thick - 1)),
          y: n(Math.min(y(value), base)), height: n(Math.abs(base - y(value))), rx: Math.min(2, thick / 3) })));
        return group;
      }
      for (const run of runs(columns[number])) {
        if (kind === 'curtain') {
          group.append(...curtain(run, number, { y, n, top, bottom, to }));
          continue;
        }
        const path = run.map(([i, value], k) => `${k ? (kind === 'step' ? `H${n(x(moments[i]))}V` : `L${n(x(moments[i]))} `) : `M${n(x(moments[i]))} `}${n(y(value))}`).join('');
        if (kind === 'area') group.append(svg('path', { class: 'fill', d: `${path}V${n(base)}H${n(x(moments[run[0][0]]))}Z` }));
        group.append(run.length > 1 ? svg('path', { class: 'line', d: path }) : svg('circle', { class: 'dot', cx: n(x(moments[run[0][0]])), cy: n(y(run[0][1])), r: 2 }));
      }
      return group;
    });
    const points = marked.filter(({ time }) => time >= from && time <= to).map(({ time, css, words }) => svg('path', { class: `point ${css}`, transform: `translate(${n(x(time))} ${height - BOTTOM - 6})`,
      d: css === 'alarm' ? 'M0-5 5 4H-5Z' : 'M4 0a4 4 0 1 1-8 0a4 4 0 0 1 8 0Z' }, svg('title', {}, words)));
    set(cursor, 'y2', height - BOTTOM);
    const colours = [...new Set(['other', ...hung.flat().filter(Boolean).map(({ colour }) => colour)])];
    plot.replaceChildren(svg('svg', { viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' }, series.some(({ kind }) => kind === 'curtain') ? hatches(colours) : [], grid, below, drawn, points, cursor));
    show();
  }

  /** What is not allowed, from the edge of the picture to the limit: a piece per rule, with its name where there is room for it. */
  function curtain(run, number, { y, n, top, bottom, to }) {
    const stands = series[number].below;
    const inside = (value) => y(Math.max(bottom, Math.min(top, value)));
    const pieces = [];
    for (const [i, value] of run) {
      // Limits beyond the picture do not hide the power.
      if (stands ? value <= bottom : value >= top) continue;
      const last = pieces.at(-1);
      const rule = hung[number]?.[i];
      if (last && last.at(-1)[0] === i - 1 && hung[number]?.[i - 1] === rule) last.push([i, value]);
      else pieces.push([[i, value]]);
    }
    return pieces.flatMap((piece) => {
      const { colour = 'other', name = '' } = hung[number]?.[piece[0][0]] ?? {};
      const [start, end] = [x(moments[piece[0][0]]), x(moments[piece.at(-1)[0] + 1] ?? Math.min(to, moments[piece.at(-1)[0]] + (moments[1] - moments[0] || 0)))];
      const path = `${piece.map(([i, value], k) => `${k ? `H${n(x(moments[i]))}V` : `M${n(start)} `}${n(inside(value))}`).join('')}H${n(end)}`;
      const edge = y(stands ? bottom : top);
      const parts = [svg('path', { class: `hang ${colour}`, d: `${path}V${n(edge)}H${n(start)}Z` }, name && svg('title', {}, name)), svg('path', { class: `edge ${colour}`, d: path })];
      const deep = Math.abs(inside(piece[Math.floor(piece.length / 2)][1]) - edge);
      if (name && deep > 16 && name.length * LETTER < end - start) parts.push(svg('text', { class: `rule ${colour}`, x: n((start + end) / 2), y: n(stands ? edge - 5 : edge + 13), 'text-anchor': 'middle' }, name));
      return parts;
    });
  }

  /** Pieces without gaps: [[index, value], …]. */
  function* runs(values) {
    let run = [];
    for (const [i, value] of values.entries()) {
      if (Number.isFinite(value)) run.push([i, value]);
      else if (run.length) {
        yield run;
        run = [];
      }
    }
    if (run.length) yield run;
  }

  const lastKnown = (values) => values.findLast(Number.isFinite);

  function show() {
    const isAt = index !== undefined && index < moments.length;
    set(cursor, 'visibility', isAt ? undefined : 'hidden');
    const half = piece / 2;
    if (isAt) for (const end of ['x1', 'x2']) set(cursor, end, x(moments[index] + half).toFixed(1));
    put(at, isAt ? moment(moments[index], format) : '');
    readout.forEach(({ node: out }, number) => {
      const values = columns[number] ?? [];
      const bar = series[number].kind === 'bar';
      const total = bar && values.some(Number.isFinite) ? values.reduce((sum, value) => sum + (value || 0), 0) : undefined;
      put(out, (series[number].write ?? write)(isAt ? values[index] : bar ? total : lastKnown(values)));
    });
    const words = readout.map(({ item }) => item.textContent).join(', ');
    set(plot, 'aria-valuemax', Math.max(0, moments.length - 1));
    set(plot, 'aria-valuenow', isAt ? index : Math.max(0, moments.length - 1));
    set(plot, 'aria-valuetext', `${isAt ? at.textContent : t('last_values')}: ${words}`);
  }

  const near = (time) => {
    if (!moments.length) return undefined;
    let best = 0;
    moments.forEach((other, i) => { if (Math.abs(other - time) < Math.abs(moments[best] - time)) best = i; });
    return best;
  };
  const point = (event) => {
    const [from, to] = span_;
    const box = plot.getBoundingClientRect();
    const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
    onmove(from + Math.min(1, Math.max(0, share)) * (to - from));
  };
  plot.addEventListener('pointermove', point);
  plot.addEventListener('pointerdown', point);
  plot.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && onmove(undefined));
  plot.addEventListener('keydown', (event) => {
    const now = index ?? moments.length - 1;
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, PageUp: now - 10, PageDown: now + 10, Home: 0, End: moments.length - 1 }[event.key];
    if (event.key === 'Escape') onmove(undefined);
    if (to === undefined) return;
    event.preventDefault();
    onmove(moments[Math.min(moments.length - 1, Math.max(0, to))]);
  });
  const watch = new ResizeObserver(draw);
  watch.observe(node);

  return {
    node,
    end: () => watch.disconnect(),
    /**
     * New data: times (Unix, s), one column per series, ends of the time axis, time format, duration of a bar (s); `rules`: per curtain and
     * moment { colour, name } of the rule, the same object as long as it holds; `marks`: [{ time, css, words }].
     */
    fill(times_, columns_, between, how, length = 0, { rules = [], marks = [] } = {}) {
      [moments, columns, span_, format, piece, hung, marked] = [times_, columns_, between, how, length, rules, marks];
      plot.hidden = false;
      draw();
      show();
    },
    /** Moves the cursor to a time, or hides it. */
    cursor(time) {
      index = time === undefined ? undefined : near(time);
      show();
    },
  };
}
