package bzip2

const (
	// step is how many bytes of a block are given at once.
	step = 4 << 10
	// stepwise is how many are found one after the other before the rest of the
	// block is: often no more than the beginning is asked for.
	stepwise = 64 << 10
	// maxRun is the bytes of a run whose end may be in the next piece: four equal
	// ones and their number.
	maxRun = 5

	lanes   = 8       // walks that go on at the same time
	spread  = 4 << 10 // rows between the places where they begin
	chunk   = 4 << 10 // bytes that a lane is given to write to
	isStart = 1 << 31 // marks a row where a walk begins
)

// walk goes over a block from its first byte to its last, that is from row to
// row of the sorted rotations (M. Burrows, D. J. Wheeler, "A Block-sorting
// Lossless Data Compression Algorithm", 1994).
//
// Each step waits for memory, since rows that follow each other lie anywhere. So
// once much is asked for, many walks begin at rows all over the block and go on
// until they come to where another began, eight at a time, which wait together.
// Their pieces, joined, are the rest of the block.
type walk struct {
	// forth gives for a row the one that follows and, in the lower eight bits, the
	// first byte of this one. Where walks begin it has isStart and the number of
	// the walk.
	forth []uint32
	row   uint32 // to be looked at next
	done  int    // bytes given

	parts   []part
	current int // of parts
	given   int // of the current part

	piece [maxRun + step]byte
}

// part is bytes in last. Of the parts of one walk the first has its number.
type part struct {
	start, len int
	next       int    // the part that follows
	entry      uint32 // of forth, in the first part of a walk
}

// begin makes the table for walks and starts one at the first byte.
func (b *block) begin() {
	if cap(b.forth) <= b.n {
		b.forth = make([]uint32, b.n+1)
	}
	b.forth = b.forth[:b.n+1]
	forth := b.forth
	var next [256]uint32 // the next row that begins with each byte
	sum := uint32(0)
	for v, n := range b.count {
		next[v] = sum
		sum += n
	}
	for i, v := range b.last[:b.n] {
		row := next[v]
		next[v] = row + 1
		forth[row] = uint32(i)<<8 | uint32(v)
	}
	b.row, b.done, b.parts = b.origin, 0, b.parts[:0]
}

// more gives rest, which has fewer than maxRun bytes, and the bytes of the block
// that come next; all says that none follow.
func (b *block) more(rest []byte) (piece []byte, all bool) {
	have := copy(b.piece[:], rest)
	n := min(step, b.n-b.done)
	piece = b.piece[:have+n]
	switch {
	case b.done < stepwise:
		b.forwards(piece[have:])
	case len(b.parts) == 0:
		b.walkAll()
		fallthrough
	default:
		b.join(piece[have:])
	}
	b.done += n
	return piece, b.done == b.n
}

// forwards walks over as many bytes as out has.
func (b *block) forwards(out []byte) {
	row, forth := b.row, b.forth
	for i := range out {
		v := forth[row]
		out[i] = byte(v)
		row = v >> 8
	}
	b.row = row
}

// join gives as many bytes as out has from the parts. Where rows are no rotations
// of one text, which only somebody makes who means to, or where the text repeats
// itself, the walk comes back to its beginning too early, and goes round again.
func (b *block) join(out []byte) {
	for len(out) > 0 {
		p := &b.parts[b.current]
		n := copy(out, b.last[p.start+b.given:p.start+p.len])
		out = out[n:]
		if b.given += n; b.given == p.len {
			b.current, b.given = p.next, 0
		}
	}
}

// lane is one of the walks that are going on.
type lane struct {
	part int // that is being written, or -1 if there is nothing left to do
	at   int // where in last the next byte goes
	room int // up to the end of the chunk
}

// walkAll walks over all rows, from the one that is next and from others, and
// writes what it finds to last, which is no longer needed.
func (b *block) walkAll() {
	n, forth := b.n, b.forth
	start := func(row uint32) {
		if forth[row]&isStart == 0 {
			b.parts = append(b.parts, part{entry: forth[row]})
			forth[row] = isStart | uint32(len(b.parts)-1)
		}
	}
	start(b.row)
	for row := 0; row < n; row += spread {
		start(uint32(row))
	}
	starts, begun := len(b.parts), 0
	b.current, b.given = 0, 0

	// A lane that has nothing to do goes round in the row behind the last.
	forth[n] = uint32(n) << 8
	idle := n + lanes*chunk // where it writes to
	if need := idle + chunk; cap(b.last) < need {
		b.last = make([]byte, need)
	} else {
		b.last = b.last[:need]
	}
	free := 0
	var (
		all  [lanes]lane
		rows [lanes]uint32
		outs [lanes][]byte
	)
	take := func(i int) { // the next walk, into a lane
		l := &all[i]
		if begun == starts {
			*l, rows[i] = lane{part: -1, at: idle, room: chunk}, uint32(n)
			return
		}
		l.part = begun
		b.parts[begun].start = l.at
		b.last[l.at] = byte(b.parts[begun].entry)
		rows[i] = b.parts[begun].entry >> 8
		l.at++
		l.room--
		begun++
	}
	for i := range all {
		all[i].at, all[i].room = free, chunk
		free += chunk
		take(i)
	}
	for busy := lanes; busy > 0; {
		length := chunk
		for i := range all {
			length = min(length, all[i].room)
		}
		for i := range all {
			outs[i] = b.last[all[i].at:][:length]
		}
		length = together(forth, &rows, &outs, length)
		busy = 0
		for i := range all {
			l := &all[i]
			if l.part < 0 {
				continue
			}
			busy++
			l.at += length
			l.room -= length
			if l.room == 0 {
				p := &b.parts[l.part]
				p.len, p.next = l.at-p.start, len(b.parts)
				l.part, l.at, l.room = len(b.parts), free, chunk
				b.parts = append(b.parts, part{start: free})
				free += chunk
			}
			if v := forth[rows[i]]; v&isStart != 0 {
				p := &b.parts[l.part]
				p.len, p.next = l.at-p.start, int(v&^isStart)
				take(i)
			}
		}
	}
}

// together takes length steps in all lanes, or fewer if one of them comes to
// where a walk began. It gives how many it took.
func together(forth []uint32, rows *[lanes]uint32, outs *[lanes][]byte, length int) int {
	o0, o1, o2, o3 := outs[0][:length], outs[1][:length], outs[2][:length], outs[3][:length]
	o4, o5, o6, o7 := outs[4][:length], outs[5][:length], outs[6][:length], outs[7][:length]
	r0, r1, r2, r3, r4, r5, r6, r7 := rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7]
	i := 0
	for ; i < length; i++ {
		v0, v1, v2, v3 := forth[r0], forth[r1], forth[r2], forth[r3]
		v4, v5, v6, v7 := forth[r4], forth[r5], forth[r6], forth[r7]
		if (v0|v1|v2|v3|v4|v5|v6|v7)&isStart != 0 {
			break
		}
		o0[i], o1[i], o2[i], o3[i] = byte(v0), byte(v1), byte(v2), byte(v3)
		o4[i], o5[i], o6[i], o7[i] = byte(v4), byte(v5), byte(v6), byte(v7)
		r0, r1, r2, r3 = v0>>8, v1>>8, v2>>8, v3>>8
		r4, r5, r6, r7 = v4>>8, v5>>8, v6>>8, v7>>8
	}
	*rows = [lanes]uint32{r0, r1, r2, r3, r4, r5, r6, r7}
	return i
}
