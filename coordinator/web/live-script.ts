/**
 * Keeps the part of a page with id `live` up to date by fetching the page again: on a run's events, or every few
 * seconds. The server renders; the script only puts in place. A run that has ended has another page: reload.
 */
export const liveScript = `'use strict'
const live = document.getElementById('live')
let waiting = false
// The theme that was chosen goes along from page to page.
const themes = [...document.querySelectorAll('.theme input')]
try {
  const chosen = themes.find(({ value }) => value === localStorage.getItem('bitfleet-theme'))
  if (chosen) chosen.checked = true
  for (const theme of themes) theme.addEventListener('change', () => localStorage.setItem('bitfleet-theme', theme.value))
} catch {
  // A browser that keeps nothing: the theme is chosen on each page.
}
let busy = false

async function refresh() {
  if (busy || document.hidden) return
  busy = true
  try {
    const answer = await fetch(location.href, { headers: { accept: 'text/html' } })
    if (!answer.ok) return
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
    const fresh = page.getElementById('live')
    if (!fresh) return location.reload()
    const open = [...live.querySelectorAll('details')].map((details) => details.open)
    const reachable = 'a, summary, button, input, [tabindex]'
    const focused = [...live.querySelectorAll(reachable)].indexOf(document.activeElement)
    if (live.innerHTML !== fresh.innerHTML) {
      live.replaceChildren(...fresh.childNodes)
      live.querySelectorAll(reachable)[focused]?.focus()
      live.querySelectorAll('details').forEach((details, i) => { details.open = open[i] ?? false })
      document.title = page.title
    }
  } catch {
    // The coordinator is away; the next turn asks again.
  } finally {
    busy = false
  }
}

if (live?.dataset.events) {
  const events = new EventSource(live.dataset.events)
  const soon = () => {
    if (waiting) return
    waiting = true
    setTimeout(() => { waiting = false; void refresh() }, 500)
  }
  events.addEventListener('progress', soon)
  events.addEventListener('execution', soon)
  events.addEventListener('state', (event) => {
    const { state } = JSON.parse(event.data)
    if (state === 'running' || state === 'comparing') return soon()
    events.close()
    location.reload()
  })
  document.addEventListener('visibilitychange', soon)
} else if (live?.dataset.refresh) {
  setInterval(refresh, Number(live.dataset.refresh) * 1000)
}
`

/** Two patterns of bits that differ in one. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#1a4fa3"/><path d="M3 4h2v3H3zm4 0h2v3H7zm4 0h2v3h-2zM3 9h2v3H3zm4 0h2v3H7z" fill="#fff"/><path d="M11 9h2v3h-2z" fill="#ffd45e"/></svg>
`
