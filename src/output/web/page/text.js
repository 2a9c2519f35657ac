// Texts and numbers in the reader's language. A language is one file in lang/ and one line here.

import { remembered } from './dom.js';

export const LANGUAGES = { en: 'English', de: 'Deutsch', fr: 'Français', es: 'Español', nl: 'Nederlands' };

let words = {};
let fallback = {};
export let language = 'en';
/** Number and time format: the browser's locale if it is of this language (en-GB), else the language. */
let locale = 'en';

const file = async (name) => (await fetch(`lang/${name}.json`)).json();

/** Loads the chosen language, else the browser's, else English. */
export async function speak(wanted = remembered.get('language')) {
  const wishes = [wanted, ...navigator.languages.map((name) => name.slice(0, 2).toLowerCase())];
  const next = wishes.find((name) => name && Object.hasOwn(LANGUAGES, name)) ?? 'en';
  // Set the language only once its texts are loaded: panels are rebuilt when it changes.
  const english = file('en');
  [fallback, words] = await Promise.all([english, next === 'en' ? english : file(next)]);
  language = next;
  locale = navigator.languages.find((name) => name.startsWith(language)) ?? language;
  document.documentElement.lang = language;
}

/** The text for `key`, with `{name}` filled in. */
export function t(key, values = {}) {
  const text = words[key] ?? fallback[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

/** The text by a form such as `{name}: {why}`, if it is of this form; `why` is a phrase itself. */
function formed(text, [form, translated]) {
  const found = text.match(new RegExp(`^${form.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{(\w+)\}/g, '(?<$1>.+?)')}$`))?.groups;
  return found && translated.replace(/\{(\w+)\}/g, (_, name) => (name === 'why' ? phrase(found.why) : found[name]));
}

/** With a capital letter, except for a name such as ttyUSB0. */
const capital = (text) => (/^[a-z]*[\dA-Z_]/.test(text) ? text : text[0].toUpperCase() + text.slice(1));

/** Translates a text of the driver if it is a known phrase or pattern. */
export function phrase(text) {
  if (!text) return t('unknown');
  const whole = words.phrases?.[text] ?? fallback.phrases?.[text];
  if (whole) return whole;
  for (const pattern of Object.entries({ ...fallback.patterns, ...words.patterns })) {
    const translated = formed(text, pattern);
    if (translated) return translated;
  }
  return capital(text);
}

/** Translates a state of a device of the house, or the reason for it. */
export function deviceState(text) {
  const states = words.device_states ?? {};
  const known = states[text] ?? Object.entries(states).filter(([form]) => form.includes('{')).map((pattern) => formed(text, pattern)).find(Boolean) ?? phrase(text);
  return known[0].toUpperCase() + known.slice(1);
}

/** Text and remedy of an alarm. */
export function alarmWords({ name, text, remedy }) {
  const [own, ownRemedy] = words.alarms?.[name] ?? [];
  return [own ?? text ?? name.replaceAll('_', ' '), ownRemedy ?? remedy ?? ''];
}

/** The name of a device's value: that of its key in this language, also put together for an energy of some time, else the driver's. */
export function deviceWord(key, name) {
  const known = words.device_values?.[key];
  const [, what, period] = key.match(/^(.+)_(hour|today|week|month|year|life)_wh$/) ?? [];
  const energy = words.device_values?.[`${what}_wh`];
  return known ?? (energy ? `${energy} · ${t(`flow_${period}`)}` : name);
}

const nameOf = (words_) => words_.split(/[^A-Za-z0-9]+/).filter(Boolean).join('_').toLowerCase();

/** A rule by its name for programs, in words. */
export function ruleWords(rule) {
  if (!rule) return t('unknown');
  for (const table of [words.phrases, fallback.phrases]) {
    const found = Object.keys(table ?? {}).find((text) => nameOf(text) === rule);
    if (found) return table[found];
  }
  const text = rule.replaceAll('_', ' ');
  return text[0].toUpperCase() + text.slice(1);
}

/** Formatters by language and digits or options: making one takes longer than all else on the page. */
const formatters = new Map();
function formatter(digits) {
  const key = `${locale} ${digits}`;
  if (!formatters.has(key)) formatters.set(key, new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  return formatters.get(key);
}

/** A number with its unit; a dash if it is unknown. */
export function number(value, digits, unit = '') {
  if (!Number.isFinite(value)) return '–';
  const text = formatter(digits).format(value).replace(/^-(0[.,]?0*)$/, '$1').replace('-', '−');
  return unit ? `${text}\u00a0${unit}` : text;
}

/** Amperes and watts with a useful number of digits. */
export const amps = (value) => number(value, Math.abs(value) >= 100 ? 0 : 1, 'A');
export const watts = (value) => (Math.abs(value) >= 10000 ? number(value / 1000, 1, 'kW') : number(value, 0, 'W'));

/** A time span in its two largest units. */
export function span(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  const s = Math.max(0, Math.round(seconds));
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  const parts = d ? [d, t('days'), h, t('hours')] : h ? [h, t('hours'), String(m).padStart(2, '0'), 'min'] : s >= 120 ? [m, 'min'] : [s, 's'];
  return parts.join('\u00a0');
}

/**
 * Order of names for people: numbers inside them by value. The browser's own order is used only where it is needed: to load it takes longer
 * than to draw the cells.
 */
export function byName(a, b) {
  if (/[^ -~]/.test(a + b)) return a.localeCompare(b, undefined, { numeric: true });
  const [left, right] = [a, b].map((name) => name.toLowerCase().split(/(\d+)/));
  for (let i = 0; i < left.length && i < right.length; i += 1) {
    if (left[i] !== right[i]) return (i % 2 && left[i] - right[i]) || (left[i] < right[i] ? -1 : 1);
  }
  return left.length - right.length;
}

/** The same text with its units in small letters. */
export function sized(node, text) {
  if (node.textContent === text) return;
  node.replaceChildren(...text.split(/(\u00a0[^\d\u00a0][^\u00a0]*)/).map((part) => {
    if (part[0] !== '\u00a0') return part;
    const unit = document.createElement('small');
    unit.textContent = part;
    return unit;
  }));
}

/** A date or time, by `Intl.DateTimeFormat` options. */
export function moment(unix, options) {
  const key = `${locale} ${JSON.stringify(options)}`;
  if (!formatters.has(key)) formatters.set(key, new Intl.DateTimeFormat(locale, options));
  return formatters.get(key).format(unix * 1000);
}
