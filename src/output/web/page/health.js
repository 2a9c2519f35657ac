// Health of the cells: what was found, and per battery its capacity, the resistances of its cells, and how far they drift apart.

import { card, html, keyed, svg } from './dom.js';
import { moment, number, t } from './text.js';
import { membersOf } from './notices.js';

/** Width of the strip of resistances. */
const WIDTH = 400;

/** The resistance over the median at the right end: the same for all batteries shown, and never so narrow that noise looks large. */
const reach = (known) => Math.min(4, Math.max(1.25, ...known.flatMap(([, { relative_resistance = [] }]) => relative_resistance.filter(Number.isFinite).flatMap((ratio) => [ratio * 1.05, 1.05 / ratio]))));

const place = (ratio, end) => (0.5 + Math.max(-0.5, Math.min(0.5, Math.log(ratio) / Math.log(end) / 2))) * (WIDTH - 16) + 8;

const percent = (ratio) => `${ratio > 1 ? '+' : ''}${number((ratio - 1) * 100, 0, '%')}`;

/** Findings that are about the resistance. */
const OF_RESISTANCE = ['high', 'rising', 'unsteady'];

/** A dot per cell, the median cell's resistance in the middle; cells with a finding about it are marked. */
function strip({ relative_resistance: ratios = [], findings = [] }, end) {
  const known = ratios.map((ratio, index) => ({ ratio, no: index + 1 })).filter(({ ratio }) => Number.isFinite(ratio) && ratio > 0);
  if (!known.length) return t('health_unknown');
  const found = new Set(findings.filter(({ kind }) => OF_RESISTANCE.includes(kind)).map(({ cell }) => cell));
  const [least, most] = [known.reduce((a, b) => (b.ratio < a.ratio ? b : a)), known.reduce((a, b) => (b.ratio > a.ratio ? b : a))];
  const said = (cell) => `${t('cell_no', { n: cell.no })} ${percent(cell.ratio)}`;
  const dots = known.map(({ ratio, no }) => svg('circle', { cx: place(ratio, end).toFixed(1), cy: 12, r: found.has(no) ? 6 : 4.5, class: found.has(no) ? 'found' : undefined }));
  return [
    svg('svg', { viewBox: `0 0 ${WIDTH} 24`, preserveAspectRatio: 'xMinYMid', role: 'img', 'aria-label': t('health_strip', { least: said(least), most: said(most) }) },
      svg('line', { x1: 0, x2: WIDTH, y1: 12, y2: 12 }), svg('line', { x1: WIDTH / 2, x2: WIDTH / 2, y1: 4, y2: 20 }), dots),
    html('small', {}, t('health_strip', { least: said(least), most: said(most) })),
  ];
}

const capacity = ({ usable_ah, usable_sd_ah }) => (Number.isFinite(usable_ah) ? `${number(usable_ah, 0, 'Ah')} ± ${number(2 * usable_sd_ah, 0)}` : t('health_unknown'));

/** An estimate that is a bound if a cell did not get full any more. */
const bound = (value, isBound) => (isBound ? t('health_at_least', { value }) : value);

function drift({ imbalance_ah, balancer_wins, at_least = [] }) {
  if (!Number.isFinite(imbalance_ah)) return t('health_unknown');
  const trend = balancer_wins === undefined ? undefined : t(balancer_wins ? 'health_less' : 'health_more');
  return [bound(number(imbalance_ah, 1, 'Ah'), at_least.includes(true)), trend].filter(Boolean).join(', ');
}

const learned = (days) => (Math.round(days) > 1 ? t('health_days', { n: number(days, 0) }) : t('health_day'));

function row(name, health, end) {
  const cell = (title, ...content) => html('td', { 'data-title': title }, ...content);
  return html('tr', {}, html('th', { scope: 'row' }, name, html('small', {}, learned(health.days))), cell(t('health_capacity'), capacity(health)),
    cell(t('health_resistance'), strip(health, end)), cell(t('health_drift'), drift(health)));
}

/** How far a cell is behind the others. */
function behind({ offset_ah = [], at_least = [] }, cell) {
  const offset = offset_ah[cell - 1];
  return Number.isFinite(offset) ? bound(number(Math.abs(offset), 1, 'Ah'), at_least[cell - 1]) : undefined;
}

function finding(name, { kind, cell, cause, certainty, since }, health) {
  const words = t(cause === 'connection' && (kind === 'high' || kind === 'rising') ? `health_${kind}_connection` : `health_${kind}`);
  const where = [name, cell && t('cell_no', { n: cell })].filter(Boolean).join(' · ');
  const more = [t(`health_${certainty}_sure`), t('since', { time: moment(since, { dateStyle: 'medium' }) })].join(' · ');
  const remedy = t(cause === 'cell' && (kind === 'high' || kind === 'rising') ? 'health_do_cell' : `health_do_${kind}`);
  const what = [words, kind === 'behind' ? behind(health, cell) : undefined].filter(Boolean).join(': ');
  return html('li', { class: 'banner warning' }, html('strong', {}, `${where}: ${what}`), html('span', {}, `${remedy} (${more})`));
}

export function health() {
  const list = html('ul', { class: 'plain' });
  const body = html('tbody');
  const heads = ['battery', 'health_capacity', 'health_resistance', 'health_drift'].map((key) => html('th', { scope: 'col' }, t(key)));
  const table = html('table', { class: 'healths' }, html('thead', {}, html('tr', {}, heads)), body);
  const node = card('health wide', t('health'), list, table);
  node.hidden = true;
  return {
    node,
    update(view, { all }) {
      const own = view.kind === 'bank' ? membersOf(view, all).map(([name, other]) => [name, other?.health]) : [[view.name, view.health]];
      const known = own.filter(([, health]) => health);
      node.hidden = !known.length;
      if (node.hidden) return;
      keyed(body, JSON.stringify(known), () => known.map(([name, health]) => row(name, health, reach(known))));
      const findings = known.flatMap(([name, health]) => (health.findings ?? []).map((one) => [known.length > 1 ? name : undefined, one, health]));
      keyed(list, JSON.stringify(findings), () => (findings.length ? findings.map((one) => finding(...one)) : [html('li', { class: 'muted' }, t('health_fine'))]));
    },
  };
}
