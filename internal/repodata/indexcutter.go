package repodata

import "github.com/tinylib/msgp/msgp"

// hashLen is the length of a hash in a shard index: MessagePack's mark of 32 bytes, and
// these.
const hashLen = 2 + 32

// IndexEntry is a name of a shard index and its bytes there, hash and all. Both are
// those of a part, and must not be changed.
type IndexEntry struct{ Name, encoded []byte }

// Entries goes through the entries of the part, in order.
func (p IndexPart) Entries(yield func(IndexEntry) bool) {
	for rest := p.text(); len(rest) > 0; {
		e := firstEntry(rest)
		if !yield(e) {
			return
		}
		rest = rest[len(e.encoded):]
	}
}

func firstEntry(text []byte) IndexEntry {
	name, after, err := msgp.ReadStringZC(text)
	if err != nil {
		panic(err) // appendIndexEntry wrote it
	}
	return IndexEntry{name, text[:len(text)-len(after)+hashLen]}
}

// text gives the entries of the part without the marks of its blocks. It copies those of
// more than one block only.
func (p IndexPart) text() []byte {
	if p.raw > 0 && p.raw <= maxBlockSize {
		return p.blocks[3:]
	}
	return p.appendText(nil)
}

// IndexCutter makes the parts of a shard index that has some entries, or whole parts, of
// another one, and some of its own. The entries come sorted by name. The zero value is
// ready to use.
type IndexCutter struct {
	parts []IndexPart
	taken IndexPart // the last one, which is at its end if what comes next begins a part
	text  []byte    // or so much of the last one, with so many names
	names int
}

// Take adds all entries of a part.
func (c *IndexCutter) Take(p IndexPart) {
	if p.names == 0 {
		return
	}
	if c.begins(firstEntry(p.text()).Name) {
		c.flush()
		c.taken = p
		return
	}
	for e := range p.Entries {
		c.Copy(e)
	}
}

// Copy adds an entry of another part.
func (c *IndexCutter) Copy(e IndexEntry) {
	c.open(e.Name)
	c.text = append(c.text, e.encoded...)
	c.names++
}

// Add adds an entry.
func (c *IndexCutter) Add(name string, sum [32]byte) {
	c.open([]byte(name))
	c.text = appendIndexEntry(c.text, name, sum)
	c.names++
}

// begins reports whether a part begins at a name.
func (c *IndexCutter) begins(name []byte) bool {
	return c.names == 0 && c.taken.names == 0 || Segment(string(name))
}

// open makes room for an entry in the part to which it belongs.
func (c *IndexCutter) open(name []byte) {
	switch {
	case c.begins(name):
		c.flush()
	case c.taken.names > 0: // it goes on, which it did not in the other index
		c.text, c.names, c.taken = c.taken.appendText(c.text), c.taken.names, IndexPart{}
	}
}

func (c *IndexCutter) flush() {
	if c.taken.names > 0 {
		c.parts = append(c.parts, c.taken)
	}
	if c.names > 0 {
		c.parts = append(c.parts, IndexPart{names: c.names, raw: len(c.text), blocks: rawBlocks(c.text, false)})
	}
	c.taken, c.text, c.names = IndexPart{}, c.text[:0], 0
}

// Parts gives the parts of all that was added. Nothing can be added after it.
func (c *IndexCutter) Parts() []IndexPart {
	c.flush()
	return c.parts
}
