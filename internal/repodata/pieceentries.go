package repodata

import "errors"

var errPieceText = errors.New("the text of a piece is not a list of records")

// EachEntry calls f with the quoted file name and the JSON of every record in the text of pieces that
// AppendEntry wrote, in order; it aliases text.
func EachEntry(text []byte, f func(fileName, record []byte) error) error {
	for len(text) > 0 {
		name := 0
		if text[0] == '"' {
			name = stringEnd(text, 0) + 1
		}
		if name == 0 || name >= len(text) || text[name] != ':' {
			return errPieceText
		}
		end := objectEnd(text[name+1:])
		if end < 0 {
			return errPieceText
		}
		if err := f(text[:name], text[name+1:name+1+end]); err != nil {
			return err
		}
		if text = text[name+1+end:]; len(text) > 0 {
			if text[0] != ',' || len(text) == 1 {
				return errPieceText
			}
			text = text[1:]
		}
	}
	return nil
}

// stringEnd gives the place of the quote that ends the string which begins at
// from, or the length of text where none does.
func stringEnd(text []byte, from int) int {
	for i := from + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(text)
}

// objectEnd gives the length of the JSON object at the start of text, -1 where
// there is none that ends.
func objectEnd(text []byte) int {
	if len(text) == 0 || text[0] != '{' {
		return -1
	}
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			i = stringEnd(text, i)
		}
	}
	return -1
}
