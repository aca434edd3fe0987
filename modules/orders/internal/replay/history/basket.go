package history

import "stoa/modules/orders"

// basket adds up what an invoice is about, in the order of its lines.
type basket struct {
	items []Item
	place map[*Variant]int
}

func newBasket() *basket { return &basket{place: map[*Variant]int{}} }

func (b *basket) add(v *Variant, pieces int64) {
	at, there := b.place[v]
	if !there {
		at = len(b.items)
		b.place[v] = at
		b.items = append(b.items, Item{Variant: v})
	}
	b.items[at].Pieces += pieces
}

// parts gives what is in the basket as carts can hold it: so many variants at
// most, and of each so many pieces.
func (b *basket) parts() [][]Item {
	var parts [][]Item
	for left := b.items; len(left) > 0; {
		var part, over []Item
		for _, item := range left {
			if len(part) == orders.MaxLines {
				over = append(over, item)
				continue
			}
			taken := min(item.Pieces, orders.MaxQuantity)
			part = append(part, Item{item.Variant, taken})
			if rest := item.Pieces - taken; rest > 0 {
				over = append(over, Item{item.Variant, rest})
			}
		}
		parts = append(parts, part)
		left = over
	}
	return parts
}
