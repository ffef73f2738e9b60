package shared

import (
	"strings"
	"unicode/utf8"
)

// Span is a piece of text that may be marked as a match.
type Span struct {
	Text  string
	Match bool
}

// Mark cuts a text into what matches one of the words and what does not,
// whatever their case.
func Mark(text string, words ...string) []Span {
	var spans []Span
	start := 0
	for at := 0; at < len(text); {
		length := matchAt(text[at:], words)
		if length == 0 {
			_, width := utf8.DecodeRuneInString(text[at:])
			at += width
			continue
		}
		if at > start {
			spans = append(spans, Span{Text: text[start:at]})
		}
		spans = append(spans, Span{Text: text[at : at+length], Match: true})
		at += length
		start = at
	}
	if start < len(text) {
		spans = append(spans, Span{Text: text[start:]})
	}
	return spans
}

// matchAt gives the length of the longest word that the text begins with.
func matchAt(text string, words []string) int {
	longest := 0
	for _, word := range words {
		if len(word) > longest && len(word) <= len(text) && strings.EqualFold(text[:len(word)], word) {
			longest = len(word)
		}
	}
	return longest
}
