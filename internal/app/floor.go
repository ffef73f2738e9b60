package app

// heapFloor is memory that is asked for and never touched, so that the system gives
// none. The collector looks at it as live: where there is little, it comes round
// after so many bytes of requests more, not after every few hundred of these, which
// was up to a tenth of what they cost.
const heapFloor = 32 << 20

// newHeapFloor asks for it. Go clears what lies where it has had something before, so
// what the system gave for that is given back.
func newHeapFloor() []byte {
	floor := make([]byte, heapFloor)
	giveBack(floor)
	return floor
}
