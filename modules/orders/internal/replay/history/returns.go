package history

// purchase is an invoice that a customer bought on, with what is left of it.
type purchase struct {
	parts []*part
}

// part is an order with what was not given back yet.
type part struct {
	order   *Order
	left    map[*Variant]int64
	touched bool // something was given back before
}

func (b *purchase) add(o *Order) {
	left := make(map[*Variant]int64, len(o.Items))
	for _, item := range o.Items {
		left[item.Variant] = item.Pieces
	}
	b.parts = append(b.parts, &part{order: o, left: left})
}

// is tells whether nothing of a purchase was given back and it is of exactly
// these items.
func (b *purchase) is(items []Item) bool {
	whole := map[*Variant]int64{}
	for _, p := range b.parts {
		if p.touched {
			return false
		}
		for v, pieces := range p.left {
			whole[v] += pieces
		}
	}
	if len(whole) != len(items) {
		return false
	}
	for _, item := range items {
		if whole[item.Variant] != item.Pieces {
			return false
		}
	}
	return true
}

// takeBack plans a C invoice: what it takes back of which orders.
func (p *planner) takeBack(c *Customer, invoice []int) error {
	back := newBasket()
	wanted := make([]*Variant, len(invoice))
	for n, i := range invoice {
		l := p.plan.Lines[i]
		price, fate := p.judge(l)
		switch {
		case fate != "":
			p.leaveOut(i, fate)
			continue
		case c == nil:
			p.leaveOut(i, NobodyToGive)
			continue
		}
		v := p.variants[sku(l.Code, price)]
		if v == nil {
			p.leaveOut(i, NothingToCancel)
			continue
		}
		wanted[n] = v
		back.add(v, -l.Quantity)
	}
	if len(back.items) == 0 {
		return nil
	}
	taken := p.take(invoice, wanted, p.candidates(c, back.items))
	return p.give(c, p.plan.Lines[invoice[0]].Invoice, taken)
}

// candidates gives what a customer has bought, in the order in which it is
// taken back: the latest first, but before all an invoice that is taken back
// line for line.
func (p *planner) candidates(c *Customer, items []Item) []*part {
	var same, others []*part
	bought := p.purchases[c]
	for n := len(bought) - 1; n >= 0; n-- {
		if same == nil && bought[n].is(items) {
			same = bought[n].parts
			continue
		}
		others = append(others, bought[n].parts...)
	}
	return append(append([]*part(nil), same...), others...)
}

// share is what is taken back of an order, and for which lines.
type share struct {
	part  *part
	items *basket
	lines []Entry
}

// take finds for each line of a C invoice what it takes back of which order.
func (p *planner) take(invoice []int, wanted []*Variant, candidates []*part) []*share {
	var taken []*share
	of := map[*part]*share{}
	for n, i := range invoice {
		v := wanted[n]
		if v == nil {
			continue
		}
		missing := -p.plan.Lines[i].Quantity
		for _, candidate := range candidates {
			pieces := min(missing, candidate.left[v])
			if pieces == 0 {
				continue
			}
			s := of[candidate]
			if s == nil {
				s = &share{part: candidate, items: newBasket()}
				of[candidate] = s
				taken = append(taken, s)
			}
			candidate.left[v] -= pieces
			missing -= pieces
			s.items.add(v, pieces)
			s.lines = append(s.lines, Entry{Line: i, Pieces: pieces})
		}
		if missing > 0 {
			p.entry(i, missing, NothingToCancel, "")
		}
	}
	return taken
}

// give makes returns out of what is taken back.
func (p *planner) give(c *Customer, invoice string, taken []*share) error {
	for _, s := range taken {
		sum, err := amount(p.plan.Currency, s.items.items)
		if err != nil {
			return err
		}
		r := &Return{Invoice: invoice, Of: s.part.order, Items: s.items.items, Amount: sum, Whole: !s.part.touched && s.part.empty()}
		s.part.touched = true
		fate := Refunded
		if r.Whole {
			fate = Cancelled
		}
		for _, e := range s.lines {
			p.entry(e.Line, e.Pieces, fate, s.part.order.Mark())
		}
		p.does(c, Step{Return: r})
	}
	return nil
}

func (p *part) empty() bool {
	for _, pieces := range p.left {
		if pieces > 0 {
			return false
		}
	}
	return true
}
