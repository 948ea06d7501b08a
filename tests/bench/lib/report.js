// Collects what the sections find, prints it, and keeps it for results.json.
export class Report {
  constructor(goals) {
    this.goals = goals.map((goal) => ({ ...goal }));
    this.tables = [];
    this.notes = [];
    this.skipped = [];
  }

  // Rows of cells; numbers are rounded to three digits for the eye alone.
  table(title, head, rows) {
    this.tables.push({ title, head, rows });
    console.log(`\n${title}`);
    const cells = [head, ...rows.map((row) => row.map(shown))];
    const widths = head.map((_, c) => Math.max(...cells.map((row) => (row[c] ?? '').length)));
    for (const row of cells)
      console.log(`  ${row.map((cell, c) => (c ? cell.padStart(widths[c]) : cell.padEnd(widths[c]))).join('  ')}`);
  }

  note(text) {
    this.notes.push(text);
    console.log(`  ${text}`);
  }

  skip(what, why) {
    this.skipped.push({ what, why });
    console.log(`  skipped: ${what}: ${why}`);
  }

  // A goal's figure, or the reason why there is none.
  reach(name, figure, why) {
    const goal = this.goals.find((g) => g.name === name);
    if (!goal) throw new Error(`no goal is called ${name}`);
    if (figure === undefined) goal.skipped = why;
    else Object.assign(goal, { figure, reached: goal.most ? figure < goal.most : figure >= goal.least });
  }

  printGoals() {
    const rows = this.goals
      .filter((g) => g.figure !== undefined || g.skipped)
      .map((g) => [
        g.text,
        g.most ? `< ${g.most}${g.unit}` : `${g.least}${g.unit}`,
        g.skipped ? 'skipped' : `${shown(g.figure)}${g.unit}`,
        g.skipped ?? (g.reached ? 'reached' : 'NOT reached'),
      ]);
    this.table('Goals', ['', 'goal', 'figure', ''], rows);
  }
}

// The goals that were measured, as the table of README.md.
export const markdown = (goals) =>
  ['| within one run | |', '|---|---|']
    .concat(
      goals
        .filter((g) => g.figure !== undefined)
        .map((g) => `| ${g.text} | ${shown(g.figure)}${g.unit} |`)
    )
    .join('\n');

function shown(cell) {
  if (cell === undefined || Number.isNaN(cell)) return '-';
  if (typeof cell !== 'number') return String(cell);
  return cell >= 100 ? cell.toFixed(0) : cell.toPrecision(3);
}
