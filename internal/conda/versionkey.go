package conda

import (
	"encoding/binary"
	"strings"
)

// The bytes of a key, in the order in which runs compare. What is missing counts
// as zero, so whether a zero or an end comes before another depends on
// the first run behind it that is none: less than zero (-) or more (+).
const (
	keyStars    = 1 + iota // with the text and a NUL
	keyDev                 //
	keyWord                // with the text and a NUL
	keyZeroLess            // a zero; a run below zero follows in the component
	keyEndLess             // the end of a component; of what follows, the first run that is no zero is below
	keyEnd                 // the end of the last component that holds anything
	keyEndMore
	keyZeroMore
	keyNumber // with the number
	keyPost
)

// key gives bytes that compare with those of another version as the versions do.
func (v Version) key() string {
	var space [64]byte
	return string(v.appendKey(space[:0]))
}

func (v Version) appendKey(to []byte) []byte {
	return appendKeyOf(appendKeyOf(to, v.main), v.local)
}

func appendKeyOf(to []byte, list []component) []byte {
	for i, c := range list {
		for j, e := range c {
			if !e.isZero() {
				to = e.appendKey(to)
				continue
			}
			switch sign(c[j+1:]) {
			case -1:
				to = append(to, keyZeroLess)
			case 1:
				to = append(to, keyZeroMore)
			}
		}
		end := byte(keyEnd)
		for _, next := range list[i+1:] {
			if s := sign(next); s != 0 {
				end = keyEnd + byte(s)
				break
			}
		}
		to = append(to, end)
		if end == keyEnd {
			return to
		}
	}
	if len(list) == 0 {
		to = append(to, keyEnd)
	}
	return to
}

func (e element) isZero() bool { return e.kind == kindNumber && e.num == 0 }

// sign says how the first run that is no zero compares with zero; 0 if there is
// none.
func sign(c component) int {
	for _, e := range c {
		if !e.isZero() {
			return e.compare(zero)
		}
	}
	return 0
}

func (e element) appendKey(to []byte) []byte {
	switch e.kind {
	case kindStars:
		to = append(append(to, keyStars), e.text...)
		return append(to, 0)
	case kindDev:
		return append(to, keyDev)
	case kindWord:
		to = append(append(to, keyWord), e.text...)
		return append(to, 0)
	case kindPost:
		return append(to, keyPost)
	}
	to = append(to, keyNumber)
	if e.text != "" { // it does not fit: its digits, behind all that do
		to = binary.BigEndian.AppendUint16(append(to, 9), uint16(len(e.text)))
		return append(to, e.text...)
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], e.num)
	digits := strings.TrimLeft(string(b[:]), "\x00")
	return append(append(to, byte(len(digits))), digits...)
}
