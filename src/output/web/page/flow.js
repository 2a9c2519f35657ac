// The house as one flow of power, and its energy by time, from the devices of the house and the batteries.

import { card, html, put, set, svg } from './dom.js';
import { number, t, watts } from './text.js';

const NODES = ['sun', 'grid', 'generator', 'load', 'battery'];
const PERIODS = ['hour', 'today', 'week', 'month'];
/** Kinds of energy: name → start of their keys. */
const ENERGIES = { sun: 'pv_energy', grid: 'grid_in', generator: 'generator', load: 'load', battery: 'to_battery' };

/** The sum of what is known; undefined if nothing is. */
const sum = (values) => {
  const known = values.filter(Number.isFinite);
  return known.length ? known.reduce((a, b) => a + b, 0) : undefined;
};

/** Powers by node, W: into the house positive, for the battery what it gives. Exported for tests. */
export function powers(devices, views) {
  const fresh = devices.filter((device) => device.fresh);
  // A gateway only repeats the sums of the devices behind it.
  const sources = fresh.filter(({ kind }) => kind !== 'gateway');
  const of = (device, key) => device.values[key]?.value;
  const kind = (name) => sources.filter((device) => device.kind === name);
  const all = (list, key) => sum(list.map((device) => of(device, key)));
  const inverters = kind('inverter');
  // A solar charger without sensors at its modules tells only what it gives.
  const sun = sum([...kind('solar').map((device) => of(device, 'pv_power_w') ?? of(device, 'dc_power_w')), ...inverters.map((device) => of(device, 'pv_power_w'))]);
  const out = all(inverters, 'grid_out_power_w') ?? 0;
  const atInverters = all(inverters, 'grid_power_w');
  const grid = all(kind('meter'), 'grid_power_w') ?? (atInverters === undefined ? undefined : atInverters - out);
  // Some boards report the magnitude of the power only; the current has the direction.
  const banks = views.filter((view) => view.kind === 'bank');
  const battery = sum((banks.length ? banks : views).map((view) => (view.freshness === 'fresh' ? Math.abs(view.power_w) * Math.sign(view.current_a) : undefined)));
  return {
    sun, grid, generator: all(inverters, 'generator_power_w'), load: all(inverters, 'load_power_w'),
    battery: battery === undefined ? undefined : -battery,
  };
}

/** Energies by node and period, Wh. Exported for tests. */
export function energies(devices) {
  const sources = devices.filter(({ fresh, kind }) => fresh && kind !== 'gateway');
  return Object.fromEntries(Object.entries(ENERGIES).map(([node, key]) => [
    node, PERIODS.map((period) => sum(sources.map(({ values }) => values[`${key}_${period}_wh`]?.value))),
  ]));
}

/** Boxes around the middle: corner left and above, and a sign of 24 by 24 in the same order of sides as the boxes. */
const WIDTH = 340;
const BOX = { width: 106, height: 64 };
const MIDDLE = [170, 132];
const PLACES = { generator: [0, 0], sun: [117, 0], grid: [0, 100], load: [234, 100], battery: [117, 200] };
const SIGNS = {
  sun: 'M12 7.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M5 5l1.7 1.7M17.3 17.3 19 19M19 5l-1.7 1.7M6.7 17.3 5 19',
  grid: 'M9.5 2h5l2.5 20M9.5 2 7 22M5 7h14M4 12h16M8 15l9 7M16 15l-9 7',
  generator: 'M3 8h12v10H3zM15 11h3l3 3v4h-6M6 8V5h6v3M7 18v2M12 18v2M10 10l-2 3h3l-2 3',
  load: 'M3 12 12 4l9 8M6 10v10h12V10M10 20v-6h4v6',
  battery: 'M3 7h16v10H3zM19 10.5h2v3h-2M7 10v4M11 10v4M15 10v4',
};
/** At and below this power nothing flows, W. */
const AT_REST = 5;

/** Where the wire to the middle leaves a box. */
function edge([left, above]) {
  const [x, y] = [left + BOX.width / 2, above + BOX.height / 2];
  const [dx, dy] = [MIDDLE[0] - x, MIDDLE[1] - y];
  const share = Math.min(BOX.width / 2 / Math.abs(dx || 1e-9), BOX.height / 2 / Math.abs(dy || 1e-9));
  return [x + dx * share, y + dy * share];
}

/** One node: its box with name, power and direction, and its wire with an arrow. */
function drawNode(name) {
  const place = PLACES[name];
  const [x, y] = edge(place);
  const value = svg('text', { class: 'watts', x: place[0] + BOX.width / 2, y: place[1] + 42 });
  const direction = svg('text', { class: 'to', x: place[0] + BOX.width / 2, y: place[1] + 57 });
  const arrow = svg('path', { d: 'M-5-6 6 0-5 6z' });
  const wire = svg('g', { class: 'wire' }, svg('path', { class: 'rail', d: `M${x} ${y}L${MIDDLE.join(' ')}` }), svg('path', { class: 'run', d: `M${x} ${y}L${MIDDLE.join(' ')}` }), arrow);
  const turn = (Math.atan2(MIDDLE[1] - y, MIDDLE[0] - x) * 180) / Math.PI;
  // Not in the middle of the wire: arrows of several wires must not touch.
  const at = [x + (MIDDLE[0] - x) * 0.45, y + (MIDDLE[1] - y) * 0.45];
  const box = svg('g', { class: `flow-${name}` },
    svg('rect', { x: place[0] + 1, y: place[1] + 1, width: BOX.width - 2, height: BOX.height - 2, rx: 11 }),
    svg('path', { class: 'sign', d: SIGNS[name], transform: `translate(${place[0] + 7} ${place[1] + 6}) scale(.72)` }),
    svg('text', { class: 'name', x: place[0] + 28, y: place[1] + 19 }, t(`flow_${name}`)), value, direction);
  return {
    wire, box, place,
    update(power, word) {
      const flows = Math.abs(power) > AT_REST;
      const into = flows && name !== 'load' && power > 0;
      put(value, word ?? watts(Math.abs(power)));
      put(direction, word || power === undefined ? '' : !flows ? t('idle') : t(into ? 'flow_from' : 'flow_to'));
      set(wire, 'class', `wire wire-${name} ${flows ? (into ? 'into' : 'out') : 'still'}`);
      arrow.toggleAttribute('hidden', !flows);
      set(arrow, 'transform', `translate(${at.map((n) => n.toFixed(1)).join(' ')}) rotate(${(into ? turn : turn + 180).toFixed(1)})`);
    },
  };
}

/** The nodes that the house has: those that have had a power, and a generator that is switched without one being known. */
function knownNodes(known, power, devices) {
  for (const name of NODES) if (power[name] !== undefined) known.add(name);
  if (devices.some(({ kind }) => kind === 'meter')) known.add('grid');
  if (devices.some(({ kind }) => kind === 'solar')) known.add('sun');
  if (devices.some(({ kind }) => kind === 'generator')) known.add('generator');
  return NODES.filter((name) => known.has(name));
}

/** Draws both into `place`. */
export function flow(place) {
  const known = new Set();
  let language;
  let nodes;
  let shown;
  let drawing;
  let rows;
  let table;

  function build() {
    nodes = Object.fromEntries(NODES.map((name) => [name, drawNode(name)]));
    shown = undefined;
    drawing = svg('svg', { class: 'flowmap', role: 'img' });
    const heads = ['', ...PERIODS].map((period) => html('th', { scope: 'col' }, period && t(`flow_${period}`)));
    rows = Object.fromEntries(Object.keys(ENERGIES).map((name) => {
      const cells = PERIODS.map(() => html('td'));
      return [name, { cells, node: html('tr', {}, html('th', { scope: 'row' }, t(`flow_energy_${name}`)), cells) }];
    }));
    table = html('table', { class: 'energies' }, html('caption', {}, `${t('flow_energy')}, kWh`), html('thead', {}, html('tr', {}, heads)),
      html('tbody', {}, Object.values(rows).map(({ node }) => node)));
    place.replaceChildren(card('houseflow', t('flow'), html('div', { class: 'flowparts' }, drawing, table)));
  }

  return (devices, views, now) => {
    if (language !== now) {
      language = now;
      build();
    }
    const power = powers(devices, views);
    const present = knownNodes(known, power, devices);
    // The battery alone is shown above already.
    place.hidden = !present.some((name) => name !== 'battery');
    if (place.hidden) return;
    if (shown !== present.join()) {
      shown = present.join();
      const all = present.map((name) => nodes[name]);
      const above = Math.min(MIDDLE[1], ...all.map((node) => node.place[1]));
      const below = Math.max(MIDDLE[1], ...all.map((node) => node.place[1] + BOX.height));
      set(drawing, 'viewBox', `0 ${above} ${WIDTH} ${below - above}`);
      drawing.replaceChildren(...all.map(({ wire }) => wire), svg('circle', { class: 'middle', cx: MIDDLE[0], cy: MIDDLE[1], r: 6 }), ...all.map(({ box }) => box));
    }
    // Of a generator without a meter only this driver's own switch is known.
    const runs = devices.find(({ id, fresh }) => id === 'generator' && fresh)?.values.running?.value;
    for (const name of present) {
      const word = name === 'generator' && power.generator === undefined && runs !== undefined ? t(runs ? 'generator_runs' : 'generator_stands') : undefined;
      nodes[name].update(power[name], word);
    }
    set(drawing, 'aria-label', present.map((name) => [...nodes[name].box.querySelectorAll('text')].map((text) => text.textContent).filter(Boolean).join(' ')).join('; '));
    const energy = energies(devices);
    table.hidden = true;
    for (const [name, { cells, node }] of Object.entries(rows)) {
      const isKnown = energy[name].some((value) => value !== undefined);
      node.hidden = !isKnown;
      if (isKnown) table.hidden = false;
      cells.forEach((cell, index) => put(cell, energy[name][index] === undefined ? '–' : number(energy[name][index] / 1000, 1)));
    }
  };
}
