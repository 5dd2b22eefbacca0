package conformance

import (
	"fmt"
	"strings"
)

// A Pos is a place in a script; lines and columns count from 1.
type Pos struct{ Line, Col int }

// A SyntaxError says where a script is not in the language, and why.
type SyntaxError struct {
	File string
	Pos  Pos
	Msg  string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Pos.Line, e.Pos.Col, e.Msg)
}

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokWord
	tokNumber   // decimal, hexadecimal or with a fraction
	tokString   // "..."
	tokShell    // `...`
	tokCode     // %{ ... }%
	tokEllipsis // ...
	tokAddr     // an IPv4 or IPv6 address
	tokOption   // --name=value, the whole line
	tokPunct    // a single character
)

type token struct {
	kind tokenKind
	text string // without delimiters
	pos  Pos
	// first says that nothing stands before the token on its line.
	first bool
}

func (t token) is(punct string) bool { return t.kind == tokPunct && t.text == punct }

func (t token) String() string {
	if t.kind == tokEOF {
		return "the end of the script"
	}
	return fmt.Sprintf("%q", t.text)
}

// A lexer turns the text of a script into tokens.
type lexer struct {
	file    string
	src     string
	off     int
	line    int
	start   int // offset of the current line
	fresh   bool
	defined map[string]bool
	// blocks are the open #ifdef blocks: whether each one's lines count.
	blocks []bool
	out    []token
}

// lex returns the tokens of a script; defined are the names that #ifdef finds.
func lex(file, src string, defined []string) ([]token, error) {
	l := &lexer{file: file, src: src, line: 1, fresh: true, defined: make(map[string]bool)}
	for _, name := range defined {
		l.defined[name] = true
	}
	for l.off < len(l.src) {
		if err := l.next(); err != nil {
			return nil, err
		}
	}
	if len(l.blocks) > 0 {
		return nil, l.errorf("#endif is missing")
	}
	l.emit(tokEOF, "", 0)
	return l.out, nil
}

func (l *lexer) pos() Pos { return Pos{l.line, l.off - l.start + 1} }

func (l *lexer) errorf(format string, args ...any) error {
	return &SyntaxError{l.file, l.pos(), fmt.Sprintf(format, args...)}
}

// emit adds a token that takes n bytes of the source.
func (l *lexer) emit(kind tokenKind, text string, n int) {
	l.out = append(l.out, token{kind, text, l.pos(), l.fresh})
	l.fresh = false
	l.skip(n)
}

// skip passes n bytes and counts the lines in them.
func (l *lexer) skip(n int) {
	for ; n > 0; n-- {
		if l.src[l.off] == '\n' {
			l.line++
			l.start = l.off + 1
			l.fresh = true
		}
		l.off++
	}
}

// lineEnd returns how many bytes are left on the line, its end excluded.
func (l *lexer) lineEnd() int {
	if n := strings.IndexByte(l.src[l.off:], '\n'); n >= 0 {
		return n
	}
	return len(l.src) - l.off
}

// next takes one token, blank, comment or directive.
func (l *lexer) next() error {
	rest := l.src[l.off:]
	c := rest[0]
	switch {
	case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f':
		l.skip(1)
	case l.fresh && c == '#':
		return l.directive()
	case !l.counts():
		l.skip(max(l.lineEnd(), 1))
	case strings.HasPrefix(rest, "//"):
		l.skip(l.lineEnd())
	case strings.HasPrefix(rest, "/*"):
		return l.delimited("/*", "*/", func(string, int) {})
	case strings.HasPrefix(rest, "%{"):
		return l.delimited("%{", "}%", func(text string, n int) { l.emit(tokCode, strings.TrimSpace(text), n) })
	case c == '"':
		return l.quoted('"', tokString)
	case c == '`':
		return l.quoted('`', tokShell)
	case l.fresh && strings.HasPrefix(rest, "--"):
		n := l.lineEnd()
		l.emit(tokOption, strings.TrimSpace(rest[2:n]), n)
	case strings.HasPrefix(rest, "..."):
		l.emit(tokEllipsis, "...", 3)
	default:
		l.plain(rest)
	}
	return nil
}

// plain takes an address, a number, a word or a single character.
func (l *lexer) plain(rest string) {
	if n := addressLen(rest); n > 0 {
		l.emit(tokAddr, rest[:n], n)
		return
	}
	c := rest[0]
	switch {
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
		n := numberLen(rest)
		l.emit(tokNumber, rest[:n], n)
	case isLetter(c):
		n := wordLen(rest)
		l.emit(tokWord, rest[:n], n)
	default:
		l.emit(tokPunct, rest[:1], 1)
	}
}

// delimited takes what stands between two marks.
func (l *lexer) delimited(open, end string, take func(text string, n int)) error {
	text, _, found := strings.Cut(l.src[l.off+len(open):], end)
	if !found {
		return l.errorf("%s is not closed", open)
	}
	n := len(open) + len(text) + len(end)
	before := l.off
	take(text, n)
	if l.off == before {
		l.skip(n)
	}
	return nil
}

// quoted takes a string; a backslash keeps the next character from ending it.
func (l *lexer) quoted(quote byte, kind tokenKind) error {
	for i := l.off + 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
		case quote:
			l.emit(kind, l.src[l.off+1:i], i+1-l.off)
			return nil
		}
	}
	return l.errorf("%c is not closed", quote)
}

// counts says whether the lines here are part of the script.
func (l *lexer) counts() bool {
	for _, on := range l.blocks {
		if !on {
			return false
		}
	}
	return true
}

// directive takes a line that begins with #.
func (l *lexer) directive() error {
	n := l.lineEnd()
	text, _, _ := strings.Cut(l.src[l.off:l.off+n], "//")
	words := strings.Fields(strings.TrimPrefix(text, "#"))
	switch {
	case len(words) == 2 && words[0] == "ifdef":
		l.blocks = append(l.blocks, l.defined[words[1]])
	case len(words) == 2 && words[0] == "ifndef":
		l.blocks = append(l.blocks, !l.defined[words[1]])
	case len(words) > 0 && words[0] == "else" && len(l.blocks) > 0:
		l.blocks[len(l.blocks)-1] = !l.blocks[len(l.blocks)-1]
	case len(words) > 0 && words[0] == "endif" && len(l.blocks) > 0:
		l.blocks = l.blocks[:len(l.blocks)-1]
	case len(words) > 0 && (words[0] == "else" || words[0] == "endif"):
		return l.errorf("#%s without #ifdef", words[0])
	case l.off == 0 && strings.HasPrefix(text, "#!"): // a script that is executed
	default:
		return l.errorf("unknown directive %q", strings.TrimSpace(text))
	}
	l.skip(n)
	return nil
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isHex(c byte) bool    { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' }

// wordLen returns the length of the word at the start of s. A dash belongs to it
// between letters, as in I-DATA.
func wordLen(s string) int {
	n := 0
	for n < len(s) && (isLetter(s[n]) || isDigit(s[n]) || s[n] == '-' && n+1 < len(s) && isLetter(s[n+1])) {
		n++
	}
	return n
}

// numberLen returns the length of the number at the start of s, of which an
// ellipsis is no part.
func numberLen(s string) int {
	n := 0
	for n < len(s) && (isDigit(s[n]) || isLetter(s[n]) || s[n] == '.' && !strings.HasPrefix(s[n:], "...")) {
		n++
	}
	return n
}

// addressLen returns the length of the IP address at the start of s, 0 if there is
// none. 1:4 is a range, 1::4 an address.
func addressLen(s string) int {
	n, dots, colons := 0, 0, 0
	for n < len(s) && (isHex(s[n]) || s[n] == ':' || s[n] == '.') {
		switch s[n] {
		case ':':
			colons++
		case '.':
			dots++
		}
		n++
	}
	text := s[:n]
	if n < len(s) && isLetter(s[n]) || strings.Contains(text, "..") {
		return 0
	}
	switch {
	case strings.Contains(text, "::") || colons >= 3:
		if strings.HasSuffix(text, ":") && !strings.HasSuffix(text, "::") {
			n-- // the colon after an address
		}
		return n
	case colons == 0 && dots == 3, colons == 1 && dots == 3 && strings.HasSuffix(text, ":"):
		return n - colons
	}
	return 0
}
