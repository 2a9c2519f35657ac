// A view for a tablet on the wall, `?kiosk`: no controls, larger type, the time, and the last alarm.

import { html, put } from './dom.js';
import { moment, span, t } from './text.js';
import { sentence } from './log.js';

const REFRESH_MS = 60_000;
const VERSION_MS = 600_000;
/** The picture moves a little, so that nothing burns into the screen. */
const SHIFT_MS = 600_000;

/** Reloads the page once the driver is another version: nobody presses a button on the wall. */
function followVersion() {
  let known;
  setInterval(async () => {
    try {
      const { version } = await (await fetch('api/v1/about', { cache: 'no-store' })).json();
      if (known !== undefined && version !== known) location.reload();
      known = version;
    } catch { /* the next time */ }
  }, VERSION_MS);
}

/** Prepares the page; returns what is to be called each second. */
export function startKiosk() {
  document.documentElement.classList.add('kiosk');
  const clock = html('span', { id: 'clock', class: 'muted' });
  document.querySelector('#sort').before(clock);
  followVersion();
  return () => {
    put(clock, moment(Date.now() / 1000, { weekday: 'short', day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit' }));
    const step = Math.floor(Date.now() / SHIFT_MS) % 4;
    document.body.style.setProperty('--shift-x', `${[0, 2, 2, 0][step]}px`);
    document.body.style.setProperty('--shift-y', `${[0, 0, 2, 2][step]}px`);
  };
}

/** The last alarm in one line. */
export function lastAlarm() {
  const node = html('p', { class: 'wide lastalarm muted', role: 'status' });
  let timer;
  let ended = false;
  async function load() {
    try {
      const answer = await fetch('api/v1/log?kind=alarm&limit=1', { cache: 'no-store' });
      const { entries } = await answer.json();
      if (ended) return;
      const [last] = entries;
      const words = last && sentence(last, true).filter(Boolean).join(' · ');
      put(node, !last ? t('kiosk_never') : last.active ? words
        : t('kiosk_last', { time: Number.isFinite(last.at) ? moment(last.at, { weekday: 'long', hour: '2-digit', minute: '2-digit' }) : t('time_unknown'), what: words, span: span(last.lasted_s) }));
    } catch { /* the last one stays */ }
    if (!ended) timer = setTimeout(load, REFRESH_MS);
  }
  load();
  return {
    node,
    update() {},
    end() {
      ended = true;
      clearTimeout(timer);
    },
  };
}
