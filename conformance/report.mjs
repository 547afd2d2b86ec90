// Says what each test of the suite came to, with the suite's own rules (its lib/display.mjs): dependencies, set-up
// failures and retries included. Arguments: the suite's directory, the file with the results its cli.mjs printed.
// Prints one JSON array of {id, suite, kind, outcome, detail}.

import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [root, resultsFile] = process.argv.slice(2)
const load = file => import(pathToFileURL(path.join(root, file)).href)

const { determineTestResult } = await load('lib/display.mjs')
const suites = (await load('tests/index.mjs')).default
suites.push((await load('tests/surrogate-control.mjs')).default)
const results = JSON.parse(fs.readFileSync(resultsFile, 'utf8'))

const OUTCOMES = {
  '-': 'untested',
  '✅': 'pass',
  '⛔️': 'fail',
  '⚠️': 'fail',
  Y: 'pass',
  N: 'fail',
  '🔹': 'setup',
  '⁉️': 'harness',
  '⚪️': 'dependency',
  '↻': 'retry'
}

const rows = []
for (const suite of suites) {
  for (const test of suite.tests) {
    if (test.browser_only === true) continue
    const symbol = determineTestResult(suites, test.id, results)[2]
    const result = results[test.id]
    rows.push({
      id: test.id,
      suite: suite.id,
      kind: test.kind ?? 'required',
      outcome: OUTCOMES[symbol] ?? 'harness',
      detail: Array.isArray(result) ? String(result[1]) : ''
    })
  }
}
console.log(JSON.stringify(rows))
