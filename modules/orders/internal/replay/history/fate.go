package history

// Fate is what becomes of a line, or of a part of its quantity.
type Fate string

// The fates. The first four are carried out; the others are no order.
const (
	Ordered    Fate = "ordered"
	Cancelled  Fate = "cancels an order"
	Refunded   Fate = "gives part of an order back"
	WrittenOff Fate = "written off"

	Unreadable      Fate = "cannot be read"
	Charge          Fate = "charge: the code names no goods"
	ZeroPrice       Fate = "price of zero"
	NegativePrice   Fate = "price below zero"
	BrokenPrice     Fate = "price that is not of whole minor units"
	NobodyToGive    Fate = "cancellation without a customer"
	NothingToCancel Fate = "cancels what its customer had not bought before at that price"
	NeverSold       Fate = "write-off of goods that the file never sells"
)

// Fates are all there are, in the order in which they are told of.
var Fates = []Fate{
	Ordered, Cancelled, Refunded, WrittenOff,
	Charge, ZeroPrice, NegativePrice, BrokenPrice, NobodyToGive, NothingToCancel, NeverSold, Unreadable,
}

// CarriedOut tells whether something is done in the shop for a line of this fate.
func (f Fate) CarriedOut() bool {
	return f == Ordered || f == Cancelled || f == Refunded || f == WrittenOff
}

// Entry is what becomes of a line, or of so many pieces of it.
type Entry struct {
	Line   int // index into the plan's Lines
	Pieces int64
	Fate   Fate
	// Note says more: which order is given back, what cannot be read.
	Note string
}
