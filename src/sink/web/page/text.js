// Words and numbers in the reader's language. A language is one file in lang/ and one line here.

import { remembered } from './dom.js';

export const LANGUAGES = { en: 'English', de: 'Deutsch' };

let words = {};
let fallback = {};
export let language = 'en';
/** How numbers and times are written: as the browser says, if it speaks this language (en-GB), else as is usual. */
let locale = 'en';

const file = async (name) => (await fetch(`lang/${name}.json`)).json();

/** Takes the chosen language, else the browser's, else English. */
export async function speak(wanted = remembered.get('language')) {
  const wishes = [wanted, ...navigator.languages.map((name) => name.slice(0, 2).toLowerCase())];
  const next = wishes.find((name) => name && Object.hasOwn(LANGUAGES, name)) ?? 'en';
  // Only with its words: panels are made anew when the language changes, and at no other time.
  [fallback, words] = await Promise.all([file('en'), file(next)]);
  language = next;
  locale = navigator.languages.find((name) => name.startsWith(language)) ?? language;
  document.documentElement.lang = language;
}

/** The words for `key`, with `{name}` filled in. */
export function t(key, values = {}) {
  const text = words[key] ?? fallback[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

/** What the driver says in English, in the reader's language if it is known there: whole sentences, or ones with a name or number. */
export function said(text) {
  if (!text) return t('unknown');
  const whole = words.said?.[text] ?? fallback.said?.[text];
  if (whole) return whole;
  for (const [form, translated] of Object.entries({ ...fallback.told, ...words.told })) {
    const found = text.match(new RegExp(`^${form.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{(\w+)\}/g, '(?<$1>.+?)')}$`))?.groups;
    if (found) return translated.replace(/\{(\w+)\}/g, (_, name) => (name === 'why' ? said(found.why) : found[name]));
  }
  return text[0].toUpperCase() + text.slice(1);
}

/** Text and remedy of an alarm. */
export function alarmWords({ name, text, remedy }) {
  const [own, ownRemedy] = words.alarms?.[name] ?? [];
  return [own ?? text ?? name.replaceAll('_', ' '), ownRemedy ?? remedy ?? ''];
}

/** A number with its unit; a dash for what is unknown. */
export function number(value, digits, unit = '') {
  if (!Number.isFinite(value)) return '–';
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const text = value.toLocaleString(locale, format).replace(/^-(0[.,]?0*)$/, '$1').replace('-', '−');
  return unit ? `${text}\u00a0${unit}` : text;
}

/** Amperes and watts with as many digits as one can use. */
export const amps = (value) => number(value, Math.abs(value) >= 100 ? 0 : 1, 'A');
export const watts = (value) => (Math.abs(value) >= 10000 ? number(value / 1000, 1, 'kW') : number(value, 0, 'W'));

/** A span of time in its two largest units. */
export function span(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  const s = Math.max(0, Math.round(seconds));
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  const parts = d ? [d, t('days'), h, 'h'] : h ? [h, 'h', String(m).padStart(2, '0'), 'min'] : s >= 120 ? [m, 'min'] : [s, 's'];
  return parts.join('\u00a0');
}

/** A moment, by `Intl.DateTimeFormat` options. */
export const moment = (unix, options) => new Date(unix * 1000).toLocaleString(locale, options);
