package conda

import "cmp"

// Most versions are numbers with dots between them. Two of those are compared as they
// are written: nothing is parsed, and nothing is allocated.

// maxDigits is how many digits a number has here at most; as many fit 64 bits.
const maxDigits = 18

// compareNumbers gives the order of two versions as Version.Compare does, where both
// are numbers with dots between them; otherwise ok is false.
func compareNumbers(a, b string) (order int, ok bool) {
	if a == "" || b == "" || len(a) > maxVersionInput || len(b) > maxVersionInput {
		return 0, false
	}
	// Both are read to their ends: what is no version follows another rule.
	for i, j := 0, 0; i <= len(a) || j <= len(b); {
		var x, y uint64 // what is missing counts as zero
		if i <= len(a) {
			if x, i, ok = numberAt(a, i); !ok {
				return 0, false
			}
		}
		if j <= len(b) {
			if y, j, ok = numberAt(b, j); !ok {
				return 0, false
			}
		}
		if order == 0 {
			order = cmp.Compare(x, y)
		}
	}
	return order, true
}

// numberAt reads the number at a place, and gives the place behind the dot that follows
// it, or behind the end.
func numberAt(s string, at int) (n uint64, next int, ok bool) {
	from := at
	for ; at < len(s) && isDigit(s[at]); at++ {
		n = n*10 + uint64(s[at]-'0')
	}
	return n, at + 1, at > from && at-from <= maxDigits && (at == len(s) || s[at] == '.')
}
