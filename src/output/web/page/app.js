// The page: the selected battery, its panels, and the handling of missing data.

import { html, keyed, painted, put, remembered, set } from './dom.js';
import { live } from './live.js';
import { LANGUAGES, byName, language, moment, number, span, speak, t, watts } from './text.js';
import { notices } from './notices.js';
import { now } from './now.js';
import { map } from './map.js';
import { cells } from './cells.js';
import { about, link, switches, temperatures } from './panels.js';
import { history } from './history.js';
import { causes } from './causes.js';
import { log } from './log.js';
import { recordings } from './recordings.js';
import { energyDays } from './energy.js';

const $ = (id) => document.getElementById(id);
// Only a tablet on the wall needs it.
const kiosk = new URLSearchParams(location.search).has('kiosk') ? await import('./kiosk.js') : undefined;
/** A panel whose code is loaded with the first view that `needs` it. */
const onceNeeded = (needs, load) => (id) => {
  let panel;
  let loading;
  let ended = false;
  const self = {
    node: html('div', { hidden: true }),
    update(...views) {
      if (panel) panel.update(...views);
      else if (!loading && needs(...views)) {
        loading = load().then((make) => {
          if (ended) return;
          panel = make(id);
          panel.update(...views);
          self.node.replaceWith(panel.node);
          self.node = panel.node;
          drawSoon();
        // No connection: with the next view.
        }, () => { loading = undefined; });
      }
    },
    end() {
      ended = true;
      panel?.end?.();
    },
  };
  return self;
};
// Not each owner allows commands, and the health of the cells takes weeks to learn.
const commands = onceNeeded((view) => view.commands?.length, async () => (await import('./commands.js')).commands);
const health = onceNeeded((view, { all }) => all.some((one) => one.health), async () => (await import('./health.js')).health);
const PANELS = kiosk ? [notices, now, map, cells, kiosk.lastAlarm] : [notices, now, map, cells, history, causes, log, energyDays, commands, health, temperatures, switches, link, recordings, about];
/** Panels of the first screen: notices, now, cells. */
const FIRST = 4;
const eachSecond = kiosk?.startKiosk() ?? (() => {});

/** id → { view, at: time of arrival } */
const batteries = new Map();
/** id → { device, at: time of arrival } */
const devices = new Map();
/** Loaded with the first device of the house: most houses have batteries only. */
let house;
let drawHouse = () => {};
let panels = [];
/** All batteries were received once: before that, the selected one may still be missing. */
let isComplete = false;
let built;
let current;
let isLive;
let lostSince = Date.now();
let pending;
/** The texts are there. */
let speaks = false;
const DRAW_PAUSE_MS = 100;

const ordered = () =>
  [...batteries.values()].map(({ view }) => view).sort((a, b) => (a.kind === b.kind ? byName(a.name, b.name) : a.kind === 'bank' ? -1 : 1));

/** The battery in the address; other anchors of the page, such as `#main`, change nothing. */
function chosen() {
  const named = location.hash.slice(1);
  if (!named || batteries.has(named)) current = named;
  return batteries.has(current) ? current : ordered()[0]?.id;
}

/** Seconds since the battery's last reading, as of now. */
const age = ({ view, at }) => (Number.isFinite(view.age_s) ? view.age_s + (Date.now() - at) / 1000 : undefined);

function take(views, whole) {
  isComplete ||= whole;
  if (!isComplete) return;
  if (whole) {
    const ids = new Set(views.map(({ id }) => id));
    for (const id of batteries.keys()) if (!ids.has(id)) batteries.delete(id);
  }
  for (const view of views) batteries.set(view.id, { view, at: Date.now() });
  drawSoon();
}

function takeDevices(received, whole) {
  if (whole) devices.clear();
  for (const device of received) devices.set(device.id, { device, at: Date.now() });
  drawSoon();
}

/** Draws what arrived together once: sixteen batteries send as many views a second. */
function drawSoon() {
  pending ??= setTimeout(draw, DRAW_PAUSE_MS);
}

async function loadHouse() {
  house = Promise.all([import('./house.js'), import('./flow.js')]);
  try {
    const [list, map_] = await house;
    const [drawDevices, drawFlow] = [list.house($('devices')), map_.flow($('flow'))];
    drawHouse = () => {
      drawDevices(devices, language);
      drawFlow([...devices.values()].map(({ device }) => device), ordered(), language);
    };
    drawSoon();
  } catch {
    // No connection: with the next drawing.
    house = undefined;
  }
}

function connection(is) {
  if (isLive !== is) {
    isLive = is;
    if (!is) lostSince = Date.now();
  }
  draw();
}

function draw() {
  // The values come while the language is loaded.
  if (!speaks) return;
  clearTimeout(pending);
  pending = undefined;
  eachSecond();
  const pill = $('state');
  put(pill, t(isLive === undefined ? 'connecting' : isLive ? 'live' : 'reconnecting'));
  const gone = isLive === false ? (Date.now() - lostSince) / 1000 : 0;
  // The seconds are outside of the text for screen readers, which changes only with the state.
  put($('since'), isLive === false ? t('for_span', { span: span(gone) }) : '');
  set(pill.parentNode, 'data-state', isLive ? 'good' : isLive === false ? 'bad' : 'new');
  const lost = $('lost');
  lost.hidden = gone < 2;
  put(lost, gone < 2 ? '' : t('lost', { time: moment(lostSince / 1000, { timeStyle: 'medium' }) }));
  document.body.classList.toggle('offline', gone >= 2);
  navigation();
  if (devices.size && !house) loadHouse();
  drawHouse();

  const id = chosen();
  const key = `${id} ${language}`;
  if (built !== key) {
    built = key;
    panels.forEach((panel) => panel.end?.());
    panels = id === undefined ? [] : PANELS.slice(0, FIRST).map((make) => make(id));
    $('panels').replaceChildren(...(panels.length ? panels.map(({ node }) => node) : [html('p', { class: 'banner' }, t('waiting'))]));
    // What is looked at first is shown before the rest is made.
    const mine = panels;
    if (panels.length) painted().then(() => panels === mine && complete(id));
  }
  if (id === undefined) {
    if (isLive) put($('panels').firstChild, t('none'));
    return;
  }
  const { view } = batteries.get(id);
  put($('which'), view.name);
  const batteriesOf = view.modules ? view.modules.online + view.modules.offline : 0;
  put($('sort'), [batteriesOf && t('n_batteries', { n: batteriesOf }), Number.isFinite(view.capacity_ah) && number(view.capacity_ah, 0, 'Ah'), view.cell_count && t('n_cells', { n: view.cell_count })].filter(Boolean).join(' · '));
  document.title = `${number(view.soc_pct, 0, '%')} · ${view.name}`;
  const all = ordered();
  const more = { age: age(batteries.get(id)), all, ageOf: (other) => age(batteries.get(other)) };
  for (const panel of panels) panel.update(view, more);
  // Links only to what is there.
  for (const link of $('sections').children) {
    const target = document.querySelector(link.getAttribute('href'));
    link.hidden = !target || target.parentNode.hidden;
  }
}

/** The panels below the first ones. */
function complete(id) {
  const rest = PANELS.slice(FIRST).map((make) => make(id));
  panels.push(...rest);
  $('panels').append(...rest.map(({ node }) => node));
  // The causes are as high as they are long; what happened fills the rest beside the charts.
  const [causesCard, logCard] = ['.causes', '.logcard'].map((css) => $('panels').querySelector(css));
  if (causesCard) {
    const side = html('div', { class: 'side' });
    causesCard.before(side);
    side.append(causesCard, logCard);
  }
  draw();
}

/** One entry per battery, if there are several. */
function navigation() {
  const nav = $('batteries');
  const all = ordered();
  nav.hidden = all.length < 2;
  if (nav.hidden) return;
  // The rows of the bank show what the batteries hold.
  nav.classList.toggle('brief', all.some(({ kind }) => kind === 'bank'));
  const key = `${language} ${all.map(({ id, name }) => `${id} ${name}`).join()}`;
  keyed(nav, key, () => all.map(({ id, name, kind }) => html(
    'a', { href: `#${id}`, class: kind },
    html('strong', {}, name), html('span', { class: 'soc' }), html('span', { class: 'flow' }), html('span', { class: 'mark' }),
  )));
  all.forEach((view, index) => {
    const link = nav.children[index];
    set(link, 'aria-current', view.id === chosen() && 'page');
    put(link.querySelector('.soc'), number(view.soc_pct, 0, '%'));
    put(link.querySelector('.flow'), watts(view.power_w));
    const worst = view.freshness !== 'fresh' ? t('no_data') : view.alarms?.length ? t('alarms_count', { n: view.alarms.length }) : view.cable ? t('cable_short') : '';
    link.classList.toggle('own', Boolean(view.overrides?.length || view.switched_off?.length));
    put(link.querySelector('.mark'), worst);
  });
}

function translate() {
  for (const node of document.querySelectorAll('[data-t]')) put(node, t(node.dataset.t));
  for (const node of document.querySelectorAll('[data-t-label]')) set(node, 'aria-label', t(node.dataset.tLabel));
}

function settings() {
  const names = $('language');
  names.append(...Object.entries(LANGUAGES).map(([value, name]) => html('option', { value, lang: value }, name)));
  names.value = language;
  names.addEventListener('change', async () => {
    remembered.set('language', names.value);
    await speak(names.value);
    translate();
    draw();
  });
  const theme = $('theme');
  theme.value = document.documentElement.dataset.theme ?? 'auto';
  theme.addEventListener('change', () => {
    const fixed = theme.value === 'auto' ? undefined : theme.value;
    remembered.set('theme', fixed);
    if (fixed) document.documentElement.dataset.theme = fixed;
    else delete document.documentElement.dataset.theme;
  });
}

live(take, takeDevices, connection);
await speak();
speaks = true;
translate();
settings();
draw();
window.addEventListener('hashchange', () => {
  draw();
  // A link to a section moves to it by itself.
  if (batteries.has(location.hash.slice(1))) $('main').focus({ preventScroll: true });
});
setInterval(draw, 1000);
