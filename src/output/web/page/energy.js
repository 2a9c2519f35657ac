// Energy per day: two numbers a day, never a balance.

import { card, html, keyed, set } from './dom.js';
import { moment, number, t } from './text.js';
import { daysOf } from './now.js';

const kwh = (value) => number(value, value < 100 ? 1 : 0);
const DAYS = 14;
const DAY_MS = 86_400_000;

/** A round number at or above the value: 1, 2, 5, 10 … */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 0.1)));
  return [1, 2, 3, 5, 10].map((n) => n * power).find((n) => n >= value * 0.999);
}

function figure(title, day) {
  return html('div', {}, html('p', { class: 'muted' }, title), html('p', { class: 'v' }, ...(day
    ? [html('b', { class: 'in' }, kwh(day.charged_kwh)), html('small', {}, t('in_short')), ' ', html('b', { class: 'out' }, kwh(day.discharged_kwh)), html('small', {}, t('out_short'))] : ['–'])));
}

export function energyDays(id) {
  const figures = html('div', { class: 'figs' });
  const chart = html('ol', { class: 'days plain' });
  const top = html('span', { class: 'scale top', 'aria-hidden': 'true' });
  const bottom = html('span', { class: 'scale bottom', 'aria-hidden': 'true' });
  const node = card('energycard', t('energy_days'), html('p', { class: 'muted sub' }, t('kwh_per_day')), figures, html('div', { class: 'daychart' }, top, bottom, chart));
  let cycles;
  let data;

  function draw() {
    if (!data) return;
    const { days, today } = data;
    const noon = Date.parse(`${today}T12:00:00Z`);
    const list = Array.from({ length: DAYS }, (_, n) => new Date(noon - (DAYS - 1 - n) * DAY_MS).toISOString().slice(0, 10));
    const of = (date) => days.find((day) => day.date === date);
    const known = list.map(of);
    const most = ceiling(Math.max(0.1, ...known.flatMap((day) => (day ? [day.charged_kwh, day.discharged_kwh] : []))));
    keyed(figures, JSON.stringify([known.slice(-2), cycles]), () => [figure(t('today'), known.at(-1)), figure(t('yesterday_word'), known.at(-2)),
      Number.isFinite(cycles) && html('div', {}, html('p', { class: 'muted' }, t('cycles')), html('p', { class: 'v' }, number(cycles, 0)))].filter(Boolean));
    top.textContent = bottom.textContent = number(most, most < 1 ? 1 : 0);
    keyed(chart, JSON.stringify(known), () => list.map((date, n) => {
      const day = known[n];
      const at = Date.parse(`${date}T12:00:00Z`) / 1000;
      const bar = (name, value) => {
        const piece = html('i');
        piece.style.setProperty('--h', `${(100 * Math.min(1, (value ?? 0) / most)).toFixed(1)}%`);
        return html('span', { class: name, 'aria-hidden': 'true' }, piece);
      };
      const words = [moment(at, { weekday: 'long', day: 'numeric', month: 'long' }), day ? `${kwh(day.charged_kwh)} kWh ${t('in_short')}, ${kwh(day.discharged_kwh)} kWh ${t('out_short')}` : t('no_data')].join(': ');
      return html('li', { class: date === today ? 'now' : '', title: words }, html('span', { class: 'hidden' }, words), bar('up', day?.charged_kwh), bar('down', day?.discharged_kwh),
        html('span', { class: 'd', 'aria-hidden': 'true' }, date === today ? t('today') : moment(at, { weekday: 'short' })));
    }));
  }

  const end = daysOf(id, (next) => {
    data = next;
    draw();
  });
  set(node, 'id', 'energy');
  return {
    node,
    update(view) {
      node.classList.toggle('alone', !view.commands?.length);
      if (view.cycles !== cycles) {
        cycles = view.cycles;
        draw();
      }
    },
    end,
  };
}
