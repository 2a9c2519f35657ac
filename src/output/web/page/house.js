// The devices of the house beside the batteries: one card each with its values.

import { card, html, keyed, put } from './dom.js';
import { OWN_VALUES, generator } from './generator.js';
import { byName, deviceState, deviceWord, moment, number, phrase, span, t, watts } from './text.js';

/** A value with its unit, or a dash. */
function shown(value) {
  if (value === undefined) return '–';
  if (typeof value.value === 'boolean') return t(value.value ? 'yes' : 'no');
  if (typeof value.value === 'string') return deviceState(value.value);
  if (value.unit === 'W') return watts(value.value);
  if (value.unit === 's') return span(value.value);
  if (value.unit === 'Wh') return number(value.value / 1000, 1, 'kWh');
  const digits = { V: 1, A: 1, '%': 0, Hz: 2, '°C': 1, kWh: 1 }[value.unit];
  return number(value.value, digits ?? (Number.isInteger(value.value) ? 0 : 1), value.unit);
}

/** Draws devices into `place`; the keys that a device has had stay, as dashes while they are unknown. */
export function house(place) {
  /** id → { keys: key → English name, node, parts } */
  const drawn = new Map();
  /** The generator's own part, which keeps what is being entered. */
  let own;
  let ownLanguage;

  function build(device, keys) {
    const banner = html('p', { class: 'banner', hidden: true });
    const rows = new Map();
    const isOwn = device.id === 'generator';
    const listed = [...keys].filter(([key]) => !isOwn || !OWN_VALUES.includes(key));
    const list = html('dl', {}, listed.map(([key, name]) => {
      const dd = html('dd');
      rows.set(key, dd);
      return html('div', {}, html('dt', {}, deviceWord(key, name)), dd);
    }));
    const age = html('p', { class: 'muted' });
    const name = isOwn ? t('flow_generator') : device.name;
    const node = card(`device-${device.id} device`, name, banner, isOwn ? own.node : undefined, list, age);
    return { node, banner, rows, age };
  }

  return (devices, language) => {
    if (ownLanguage !== language) {
      ownLanguage = language;
      own = generator();
    }
    const ids = [...devices.keys()].sort(byName);
    for (const id of drawn.keys()) if (!devices.has(id)) drawn.delete(id);
    for (const id of ids) {
      const { device } = devices.get(id);
      const before = drawn.get(id);
      const keys = new Map(before?.keys);
      for (const [key, { name }] of Object.entries(device.values)) keys.set(key, name);
      const form = `${language} ${device.name} ${[...keys.keys()].join()}`;
      if (before?.form !== form) drawn.set(id, { form, keys, ...build(device, keys) });
    }
    keyed(place, ids.map((id) => `${id} ${drawn.get(id).form}`).join('\n'), () => ids.map((id) => drawn.get(id).node));
    for (const id of ids) {
      const { device, at } = devices.get(id);
      const { banner, rows, age } = drawn.get(id);
      const seconds = Number.isFinite(device.age_s) ? device.age_s + (Date.now() - at) / 1000 : undefined;
      const text = device.note ? phrase(device.note) : device.fresh ? '' : t('device_silent', { span: seconds === undefined ? '–' : span(seconds) });
      banner.hidden = !text;
      put(banner, text);
      if (id === 'generator') own.update(device);
      for (const [key, dd] of rows) put(dd, shown(device.fresh ? device.values[key] : undefined));
      put(age, `${device.connection}${device.fresh ? ` · ${moment(Date.now() / 1000 - seconds, { timeStyle: 'medium' })}` : ''}`);
    }
    place.parentNode.hidden = ids.length === 0;
  };
}
