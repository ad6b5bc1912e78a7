/** A field for a rule's text: colours, the names of traits, the place of a mistake, completion. */
import {
  acceptCompletion,
  autocompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult,
  closeBrackets,
  closeBracketsKeymap,
  pickedCompletion,
} from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import {
  Annotation,
  EditorSelection,
  EditorState,
  type Extension,
  Prec,
  type Range,
  StateEffect,
  StateField,
} from '@codemirror/state';
import {
  Decoration,
  type DecorationSet,
  EditorView,
  hoverTooltip,
  keymap,
  placeholder,
  ViewPlugin,
  type ViewUpdate,
  WidgetType,
} from '@codemirror/view';
import { quote } from '../../../audience/scanner.ts';
import { decimal } from '../../../audience/signal.ts';
import { RELATIONAL } from '../../../audience/trait-syntax.ts';
import { fits, type Option, optionsAt, type Question, questionAt } from './completion.ts';
import type { KnownTrait, KnownTraits, RuleProblem } from './language.ts';
import type { Reading, Token } from './reading.ts';
import { look } from './rule-look.ts';
import { TYPES } from './types.ts';

/** Where traits, keys and values are looked up. */
export interface Lexicon {
  /** By a part of the name, or by the id. */
  readonly traits: (search: string) => Promise<readonly KnownTrait[]>;
  readonly keys: (search: string) => Promise<readonly string[]>;
  readonly values: (key: string) => Promise<readonly string[]>;
}

export interface RuleViewOptions {
  readonly parent: HTMLElement;
  readonly text: string;
  readonly language: 'segment' | 'trait';
  readonly read: (text: string) => Reading;
  readonly lexicon: Lexicon;
  readonly placeholder: string;
  /** Ids of the elements that name and describe the field. */
  readonly labelledBy: string;
  readonly describedBy: string;
  /** Of the page's Content-Security-Policy. */
  readonly nonce: string;
  readonly isReadOnly: boolean;
  readonly onChange: (text: string) => void;
}

export const showProblem = StateEffect.define<RuleProblem | undefined>();
export const showTraits = StateEffect.define<KnownTraits>();
/** Marks a change that comes from outside and need not be told. */
const given = Annotation.define<boolean>();

/** Another text, as if it had been there from the start of this edit. */
export function setText(view: EditorView, text: string): void {
  if (view.state.doc.toString() === text) return;
  view.dispatch({
    changes: { from: 0, to: view.state.doc.length, insert: text },
    annotations: given.of(true),
  });
}

export function ruleView(options: RuleViewOptions): EditorView {
  const { parent, text, nonce, labelledBy, describedBy, isReadOnly } = options;
  const reading = StateField.define<Reading>({
    create: (state) => options.read(state.doc.toString()),
    update: (before, { docChanged, newDoc }) =>
      docChanged ? options.read(newDoc.toString()) : before,
  });
  const extensions: Extension[] = [
    EditorView.cspNonce.of(nonce),
    history(),
    closeBrackets(),
    EditorState.languageData.of(() => [{ closeBrackets: { brackets: ['(', '[', '"'] } }]),
    autocompletion({
      override: [(context) => complete(options, context)],
      icons: false,
      activateOnTypingDelay: 60,
      // Whoever sees the list means it.
      interactionDelay: 0,
      activateOnCompletion: (completion) => completion.type !== 'end',
      aboveCursor: false,
    }),
    // Tab is left to the page: it goes on to the next field.
    keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap]),
    Prec.high(keymap.of([{ key: 'Ctrl-Enter', run: acceptCompletion }])),
    EditorView.lineWrapping,
    EditorView.domEventHandlers({ beforeinput: written }),
    EditorState.readOnly.of(isReadOnly),
    placeholder(options.placeholder),
    reading,
    problem,
    traits,
    dressed(reading),
    hoverTooltip((view, at) => {
      const token = traitAt(view.state.field(reading), at);
      const trait = token && view.state.field(traits).get(sidOf(view.state, token));
      if (!trait) return null;
      return { pos: token.from, end: token.to, above: true, create: () => ({ dom: card(trait) }) };
    }),
    EditorView.contentAttributes.compute([problem], (state) => {
      const isWrong = state.field(problem)?.isUnfinished === false;
      return {
        'aria-labelledby': labelledBy,
        'aria-describedby': describedBy,
        'aria-invalid': String(isWrong),
        'aria-readonly': String(isReadOnly),
        spellcheck: 'false',
        autocapitalize: 'off',
      };
    }),
    EditorView.updateListener.of((update) => {
      const isGiven = update.transactions.some((one) => one.annotation(given));
      if (update.docChanged && !isGiven) options.onChange(update.state.doc.toString());
    }),
    look,
  ];
  return new EditorView({ parent, state: EditorState.create({ doc: text, extensions }) });
}

/**
 * Writes over a selection. The browser would carry the look of what stood there over to the new text,
 * by an attribute that the page's Content-Security-Policy refuses.
 */
function written({ inputType, data }: InputEvent, view: EditorView): boolean {
  const { state } = view;
  const isPlain = inputType === 'insertText' && data !== null && !state.readOnly;
  if (!isPlain || state.selection.main.empty) return false;
  view.dispatch(state.replaceSelection(data), { userEvent: 'input.type', scrollIntoView: true });
  return true;
}

const sidOf = (state: EditorState, { from, to }: Token) => Number(state.sliceDoc(from, to - 1));

const traitAt = ({ tokens }: Reading, at: number) =>
  tokens.find(({ kind, from, to }) => kind === 'trait' && from <= at && at <= to);

const traits = StateField.define<KnownTraits>({
  create: () => new Map(),
  update: (before, { effects }) =>
    effects.reduce((known, effect) => (effect.is(showTraits) ? effect.value : known), before),
});

const problem = StateField.define<RuleProblem | undefined>({
  create: () => undefined,
  update: (before, { effects, changes }) => {
    for (const effect of effects) if (effect.is(showProblem)) return effect.value;
    if (!before || changes.empty) return before;
    // Until it has been looked at again, it stays with its characters.
    const [from, to] = [changes.mapPos(before.from, -1), changes.mapPos(before.to, 1)];
    return { ...before, from, to };
  },
  provide: (field) => EditorView.decorations.from(field, underlined),
});

const MISTAKE = Decoration.mark({ class: 'cm-mistake' });

function underlined(found: RuleProblem | undefined): DecorationSet {
  if (!found || found.isUnfinished || found.from >= found.to) return Decoration.none;
  return Decoration.set(MISTAKE.range(found.from, found.to));
}

/** The name of a trait behind its id. Screen readers hear it with the field's description. */
class Name extends WidgetType {
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }

  override eq(other: Name): boolean {
    return other.name === this.name;
  }

  override toDOM(): HTMLElement {
    const dom = document.createElement('span');
    dom.className = 'cm-name';
    dom.setAttribute('aria-hidden', 'true');
    dom.textContent = this.name;
    return dom;
  }
}

const MARKS = new Map<string, Decoration>();
const markOf = (kind: string) => {
  const mark = MARKS.get(kind) ?? Decoration.mark({ class: `cm-${kind}` });
  MARKS.set(kind, mark);
  return mark;
};

/** In longer rules, names are only shown where they are pointed at: so many make typing slow. */
const NAMED = 1_000;
const NOBODY: KnownTraits = new Map();

/** Colours and names, of what is in sight only: a rule may have 64 kB. */
function dressed(reading: StateField<Reading>): Extension {
  const dress = ({ state, visibleRanges }: EditorView): DecorationSet => {
    const { tokens } = state.field(reading);
    const known = tokens.length > NAMED ? NOBODY : state.field(traits);
    const ranges: Range<Decoration>[] = [];
    for (const { from, to } of visibleRanges) {
      for (let i = firstAt(tokens, from); i < tokens.length && tokens[i].from <= to; i++) {
        const token = tokens[i];
        ranges.push(markOf(token.kind).range(token.from, token.to));
        const trait = token.kind === 'trait' && known.get(sidOf(state, token));
        if (trait) {
          ranges.push(Decoration.widget({ widget: new Name(trait.name), side: 1 }).range(token.to));
        }
      }
    }
    return Decoration.set(ranges, true);
  };
  return ViewPlugin.fromClass(
    class {
      decorations: DecorationSet;

      constructor(view: EditorView) {
        this.decorations = dress(view);
      }

      update({ docChanged, viewportChanged, startState, state, view }: ViewUpdate) {
        const isOther = startState.field(traits) !== state.field(traits);
        if (docChanged || viewportChanged || isOther) this.decorations = dress(view);
      }
    },
    { decorations: (plugin) => plugin.decorations },
  );
}

/** The place of the first token that reaches to a position, by halving. */
function firstAt(tokens: readonly Token[], position: number): number {
  let [low, high] = [0, tokens.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (tokens[middle].to < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

function card({ sid, name, traitType, traitRule }: KnownTrait): HTMLElement {
  const dom = document.createElement('div');
  dom.className = 'cm-card';
  const line = (className: string, text: string) => {
    const div = document.createElement('div');
    div.className = className;
    div.textContent = text;
    dom.append(div);
  };
  line('cm-card-name', name);
  line('cm-card-about', `${TYPES[traitType]} trait ${sid}`);
  if (traitRule)
    line('cm-card-rule', traitRule.length > 300 ? `${traitRule.slice(0, 300)}…` : traitRule);
  return dom;
}

/** What is offered where the cursor is: what the language has, and what is looked up. */
async function complete(
  { language, read, lexicon }: RuleViewOptions,
  context: CompletionContext,
): Promise<CompletionResult | null> {
  const question = questionAt(read, context.state.sliceDoc(0, context.pos));
  const own = optionsAt(language, question.place)
    .filter((option) => fits(option, question.typed))
    .map(ownCompletion);
  let found: readonly Completion[] = [];
  try {
    found = await lookUp(lexicon, language, question);
  } catch {
    // The words of the language are offered even where the server does not answer.
  }
  const options = question.typed === '' ? [...own, ...found] : [...found, ...own];
  if (options.length === 0) return null;
  return { from: question.from, options, filter: false };
}

function ownCompletion(option: Option): Completion {
  // Behind what ends something there may be nothing more; behind anything else there has to be.
  const isEnd = /[\])\dD]$/.test(option.text);
  const text = isEnd ? option.text : `${option.text} `;
  return {
    label: option.text.replace('|', ''),
    detail: option.means,
    type: isEnd && !text.includes('|') ? 'end' : 'start',
    apply: (view, completion, from, to) => write(view, completion, text, from, to),
  };
}

async function lookUp(
  lexicon: Lexicon,
  language: 'segment' | 'trait',
  { place, typed }: Question,
): Promise<readonly Completion[]> {
  const { expected, key = '', operator = '' } = place;
  if (language === 'segment') {
    if (expected !== 'condition' && expected !== 'listed trait') return [];
    return (await lexicon.traits(typed)).map(({ sid, name, traitType }) => ({
      label: name,
      detail: `${sid}T${traitType === 'RULE_BASED_TRAIT' ? '' : ` · ${TYPES[traitType]}`}`,
      type: 'end',
      apply: (view, completion, from, to) => write(view, completion, `${sid}T`, from, to),
    }));
  }
  if (expected === 'condition') {
    return (await lexicon.keys(typed)).map((text) => ({
      label: text,
      type: 'start',
      apply: (view, completion, from, to) => write(view, completion, `${text} `, from, to),
    }));
  }
  if (expected !== 'operand' || operator === 'matchesregex') return [];
  const isNumeric = RELATIONAL.has(operator as never);
  const part = typed.replace(/^"/, '').toLowerCase();
  return (await lexicon.values(key))
    .filter((value) => value.toLowerCase().includes(part))
    .filter((value) => !isNumeric || !Number.isNaN(decimal(value)))
    .map((value) => ({
      label: value,
      type: 'end',
      apply: (view, completion, from, to) =>
        write(view, completion, isNumeric ? value : quote(value), from, to),
    }));
}

/** Writes what was chosen, and puts the cursor to its `|` or behind it. */
function write(view: EditorView, completion: Completion, text: string, from: number, to: number) {
  const [before, after = ''] = /^"/.test(text) ? [text] : text.split('|', 2);
  // A closing quote that came by itself stands behind the cursor.
  const isQuoted = before.endsWith('"') && view.state.sliceDoc(from, from + 1) === '"';
  const hasQuote = isQuoted && view.state.sliceDoc(to, to + 1) === '"';
  view.dispatch({
    changes: { from, to: hasQuote ? to + 1 : to, insert: before + after },
    selection: EditorSelection.cursor(from + before.length),
    annotations: pickedCompletion.of(completion),
    userEvent: 'input.complete',
    scrollIntoView: true,
  });
}
