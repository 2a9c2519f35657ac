// The last day of one cell against the band of the others, on a square-root scale: 3 mV and 150 mV fit in one picture.

import { html, put, svg } from './dom.js';
import { moment, number, span, t } from './text.js';

const [WIDTH, HEIGHT] = [600, 120];
/** Gap after which a line is broken, s. */
const GAP_S = 900;
const DAY_S = 86_400;
const FRESH_MS = 120_000;

/** id → { at, data } */
const loaded = new Map();

async function day(id) {
  const known = loaded.get(id);
  if (known && Date.now() - known.at < FRESH_MS) return known.data;
  const answer = await fetch(`api/v1/history/cells?id=${encodeURIComponent(id)}`, { cache: 'no-store' });
  if (!answer.ok) throw new Error(`${answer.status}`);
  const data = await answer.json();
  loaded.set(id, { at: Date.now(), data });
  return data;
}

/** The chart of the cell with this index, and its facts. */
export function cellDay() {
  const most = html('span', { class: 'scale top', 'aria-hidden': 'true' });
  const least = html('span', { class: 'scale bottom', 'aria-hidden': 'true' });
  const plot = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' });
  const axis = html('p', { class: 'axis', 'aria-hidden': 'true' });
  const said = html('p', { class: 'muted cap' });
  const facts = html('p', { class: 'muted' });
  const node = html('div', { class: 'cellday', hidden: true }, said, html('div', { class: 'plotbox' }, most, least, plot), axis, facts);
  let wanted;

  function draw(data, cell) {
    const own = data.deviation_mv[cell] ?? [];
    const others = data.deviation_mv.filter((_, index) => index !== cell);
    node.hidden = own.filter(Number.isFinite).length < 2;
    if (node.hidden) return;
    const ages = data.age_s;
    const low = ages.map((_, i) => Math.min(...others.map((one) => one[i]).filter(Number.isFinite)));
    const high = ages.map((_, i) => Math.max(...others.map((one) => one[i]).filter(Number.isFinite)));
    const all = own.concat(low, high).filter(Number.isFinite);
    const [top, bottom] = [Math.max(10, ...all), Math.max(10, ...all.map((mv) => -mv))];
    // Zero stands where both sides have the same scale.
    const share = (HEIGHT - 8) / (Math.sqrt(top) + Math.sqrt(bottom));
    const zero = 4 + Math.sqrt(top) * share;
    const x = (i) => (WIDTH * (1 - ages[i] / DAY_S)).toFixed(1);
    const y = (mv) => (zero - Math.sign(mv) * Math.sqrt(Math.abs(mv)) * share).toFixed(1);
    const pieces = [];
    ages.forEach((age, i) => {
      if (!Number.isFinite(own[i]) || age > DAY_S) return;
      const last = pieces.at(-1);
      if (last && ages[last.at(-1)] - age <= GAP_S) last.push(i);
      else pieces.push([i]);
    });
    const path = (piece, of) => piece.map((i, n) => `${n ? 'L' : 'M'}${x(i)} ${y(of[i])}`).join('');
    const band = pieces.map((piece) => piece.filter((i) => Number.isFinite(low[i]))).filter((piece) => piece.length > 1)
      .map((piece) => `${path(piece, high)}${[...piece].reverse().map((i) => `L${x(i)} ${y(low[i])}`).join('')}Z`).join('');
    plot.replaceChildren(svg('path', { class: 'zero', d: `M0 ${zero.toFixed(1)}H${WIDTH}` }), svg('path', { class: 'band', d: band }), svg('path', { class: 'own', d: pieces.map((piece) => path(piece, own)).join('') }));
    const known = own.filter(Number.isFinite);
    const words = t('cell_day_of', { low: number(Math.min(...known), 0), high: number(Math.max(...known), 0) });
    plot.setAttribute('aria-label', words);
    put(most, `+${number(top, 0)}`);
    put(least, `−${number(bottom, 0)}`);
    put(said, `${t('cell_day')} · ${t('cell_day_others')}`);
    const now = Date.now() / 1000;
    axis.replaceChildren(...[24, 18, 12, 6, 0].map((hours) => html('span', {}, moment(now - hours * 3600, { timeStyle: 'short' }))));
    const balanced = (data.balanced[cell] ?? []).reduce((all, one) => all + one, 0) * data.step_s;
    put(facts, [words, balanced > 0 && t('cell_balanced', { span: span(balanced) })].filter(Boolean).join(' · '));
  }

  return {
    node,
    async show(id, cell) {
      if (id === undefined) {
        wanted = undefined;
        node.hidden = true;
        return;
      }
      const key = `${id} ${cell} ${Math.floor(Date.now() / FRESH_MS)}`;
      if (wanted === key) return;
      wanted = key;
      try {
        const data = await day(id);
        if (wanted === key) draw(data, cell);
      } catch {
        if (wanted === key) node.hidden = true;
      }
    },
  };
}
