// The house as one flow of power, and its energy by time, from the devices of the house and the batteries.

import { card, html, put } from './dom.js';
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

/** Draws both into `place`. */
export function flow(place) {
  let language;
  let nodes;
  let rows;
  let table;

  function build() {
    nodes = Object.fromEntries(NODES.map((name) => {
      const value = html('strong');
      const direction = html('span', { class: 'muted' });
      return [name, { node: html('li', { class: `flow-${name}` }, html('span', {}, t(`flow_${name}`)), value, direction), value, direction }];
    }));
    const heads = ['', ...PERIODS].map((period) => html('th', { scope: 'col' }, period && t(`flow_${period}`)));
    rows = Object.fromEntries(Object.keys(ENERGIES).map((name) => {
      const cells = PERIODS.map(() => html('td'));
      return [name, { cells, node: html('tr', {}, html('th', { scope: 'row' }, t(`flow_energy_${name}`)), cells) }];
    }));
    table = html('table', { class: 'energies' }, html('caption', {}, t('flow_energy')), html('thead', {}, html('tr', {}, heads)),
      html('tbody', {}, Object.values(rows).map(({ node }) => node)));
    place.replaceChildren(card('houseflow', t('flow'), html('ul', { class: 'plain flowlist' }, NODES.map((name) => nodes[name].node)), table));
  }

  return (devices, views, now) => {
    if (language !== now) {
      language = now;
      build();
    }
    const power = powers(devices, views);
    // The battery alone is shown above already.
    place.hidden = !['sun', 'grid', 'generator', 'load'].some((name) => power[name] !== undefined);
    for (const [name, { node, value, direction }] of Object.entries(nodes)) {
      const watt = power[name];
      node.hidden = watt === undefined;
      put(value, watts(Math.abs(watt)));
      put(direction, Math.abs(watt) < 5 ? t('idle') : t(name === 'load' ? 'flow_to' : watt > 0 ? 'flow_from' : 'flow_to'));
    }
    const energy = energies(devices);
    table.hidden = true;
    for (const [name, { cells, node }] of Object.entries(rows)) {
      const known = energy[name].some((value) => value !== undefined);
      node.hidden = !known;
      if (known) table.hidden = false;
      cells.forEach((cell, index) => put(cell, energy[name][index] === undefined ? '–' : number(energy[name][index] / 1000, 1, 'kWh')));
    }
  };
}
