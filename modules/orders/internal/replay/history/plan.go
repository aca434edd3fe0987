package history

import (
	"fmt"
	"strings"

	"stoa/platform/money"
)

// Plan is what there is to hold and to do.
type Plan struct {
	Currency string
	Lines    []Line
	// Entries tell what becomes of each line. The pieces of a line's entries
	// make up its quantity.
	Entries   []Entry
	Products  []*Product
	Customers []*Customer
	WriteOffs []WriteOff
}

// Product is a stock code.
type Product struct {
	Code     string
	Title    string
	Variants []*Variant // in the order in which the file first sells at their prices
}

// Variant is a stock code at a price.
type Variant struct {
	SKU     string
	Price   money.Money
	Sold    int64 // pieces
	Written int64 // pieces that are written off
}

// StockIn is how many pieces are put in at first: all that go out.
func (v *Variant) StockIn() int64 { return v.Sold + v.Written }

// Customer is somebody who buys.
type Customer struct {
	// ID is the customer's in the file; a guest's is empty.
	ID string
	// Guest is the invoice of a customer who is not known.
	Guest string
	// Steps are what the customer does, in the order of the file.
	Steps []Step
}

// Name is what the customer is called, and unique: "17850" or "guest-536414".
func (c *Customer) Name() string {
	if c.ID == "" {
		return "guest-" + c.Guest
	}
	return c.ID
}

// Step is an Order or a Return, one of them.
type Step struct {
	Order  *Order
	Return *Return
}

// Order is an invoice, or a part of one.
type Order struct {
	Invoice string
	Part    int // from 1; invoices of one part have no other
	Country string
	Items   []Item
	Total   money.Money
}

// Mark names the order: "536365", and "541431/2" for a second part.
func (o *Order) Mark() string {
	if o.Part == 1 {
		return o.Invoice
	}
	return fmt.Sprintf("%s/%d", o.Invoice, o.Part)
}

// Item is so many pieces of a variant.
type Item struct {
	Variant *Variant
	Pieces  int64
}

// Return is what an invoice takes back of one order.
type Return struct {
	Invoice string
	Of      *Order
	Items   []Item
	Amount  money.Money
	// Whole says that this is the whole order, which is cancelled.
	Whole bool
}

// Mark names the return: "C536379 of 536365".
func (r *Return) Mark() string { return r.Invoice + " of " + r.Of.Mark() }

// WriteOff is stock that is lost.
type WriteOff struct {
	Mark    string // "536589", and "536589/2" for a second line of the invoice
	Variant *Variant
	Pieces  int64
	Why     string
}

// NewPlan makes a plan for lines whose prices are in a currency.
// Errors: money.ErrUnknownCurrency; money.ErrOverflow where an invoice comes to
// more than an amount can hold.
func NewPlan(lines []Line, currency string) (*Plan, error) {
	if _, err := money.New(0, currency); err != nil {
		return nil, err
	}
	p := &planner{
		plan:      &Plan{Currency: currency, Lines: lines},
		products:  map[string]*Product{},
		variants:  map[string]*Variant{},
		customers: map[string]*Customer{},
		purchases: map[*Customer][]*purchase{},
	}
	p.catalogue()
	for _, invoice := range p.invoices() {
		if err := p.invoice(invoice); err != nil {
			return nil, fmt.Errorf("invoice %s: %w", lines[invoice[0]].Invoice, err)
		}
	}
	return p.plan, nil
}

type planner struct {
	plan      *Plan
	products  map[string]*Product
	variants  map[string]*Variant // by SKU
	customers map[string]*Customer
	purchases map[*Customer][]*purchase
}

// entry notes what becomes of a line.
func (p *planner) entry(line int, pieces int64, fate Fate, note string) {
	p.plan.Entries = append(p.plan.Entries, Entry{line, pieces, fate, note})
}

// goods tells whether a code names goods.
func goods(code string) bool {
	digits := 0
	for _, c := range code {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'A' && c <= 'Z', c == '_', c == '-':
		default:
			return false
		}
	}
	return digits >= 4 || strings.HasPrefix(code, "DCGS")
}

// price reads a line's price, or tells what is wrong with it.
func (p *planner) price(l Line) (money.Money, Fate) {
	price, err := money.Parse(l.Price, p.plan.Currency)
	switch {
	case err != nil && decimal(l.Price):
		return price, BrokenPrice
	case err != nil:
		return price, Unreadable
	case price.IsNegative():
		return price, NegativePrice
	case price.IsZero():
		return price, ZeroPrice
	}
	return price, ""
}

// decimal tells whether a text is digits with a point at most.
func decimal(text string) bool {
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	return whole != "" && strings.Trim(whole+fraction, "0123456789") == "" && len(whole) < 16
}

// judge tells what a line is about: the variant it sells or takes back, or
// why it does neither.
func (p *planner) judge(l Line) (price money.Money, fate Fate) {
	switch {
	case l.Bad != "":
		return price, Unreadable
	case !goods(l.Code):
		return price, Charge
	}
	if price, fate = p.price(l); fate != "" {
		return price, fate
	}
	if _, err := price.Mul(l.Quantity); err != nil {
		return price, Unreadable
	}
	return price, ""
}

// writesOff tells whether a line is a write-off.
func writesOff(l Line) bool { return l.Bad == "" && !l.cancels() && l.Quantity < 0 && goods(l.Code) }

// sku names a variant.
func sku(code string, price money.Money) string { return fmt.Sprintf("%s-%d", code, price.Amount) }

// catalogue makes the products and variants of everything that is sold.
func (p *planner) catalogue() {
	titles := map[*Product]*title{}
	for _, l := range p.plan.Lines {
		price, fate := p.judge(l)
		if fate != "" || l.Quantity < 0 {
			continue
		}
		product := p.products[l.Code]
		if product == nil {
			product = &Product{Code: l.Code}
			p.products[l.Code] = product
			p.plan.Products = append(p.plan.Products, product)
			titles[product] = &title{counts: map[string]int{}}
		}
		titles[product].count(l.Description)
		name := sku(l.Code, price)
		if p.variants[name] == nil {
			p.variants[name] = &Variant{SKU: name, Price: price}
			product.Variants = append(product.Variants, p.variants[name])
		}
	}
	for product, t := range titles {
		product.Title = t.most
		if product.Title == "" {
			product.Title = product.Code
		}
	}
}

// title finds the commonest of a code's descriptions, the first of several.
type title struct {
	counts map[string]int
	most   string
}

func (t *title) count(description string) {
	if description == "" {
		return
	}
	t.counts[description]++
	if t.most == "" || t.counts[description] > t.counts[t.most] {
		t.most = description
	}
}

// invoices gives the lines of each invoice, in the order in which the file
// begins them.
func (p *planner) invoices() [][]int {
	var list [][]int
	place := map[string]int{}
	for i, l := range p.plan.Lines {
		at, known := place[l.Invoice]
		if !known {
			at = len(list)
			place[l.Invoice] = at
			list = append(list, nil)
		}
		list[at] = append(list[at], i)
	}
	return list
}

// customer gives the customer of an invoice; nil where a C invoice has none.
func (p *planner) customer(invoice []int) *Customer {
	first := p.plan.Lines[invoice[0]]
	var id string
	for _, i := range invoice {
		if id = p.plan.Lines[i].Customer; id != "" {
			break
		}
	}
	c := &Customer{ID: id}
	if id == "" {
		if first.cancels() {
			return nil
		}
		c.Guest = first.Invoice
	}
	if known := p.customers[c.Name()]; known != nil {
		return known
	}
	return c
}

// does adds a step to a customer, who is a customer from the first on.
func (p *planner) does(c *Customer, s Step) {
	if len(c.Steps) == 0 {
		p.customers[c.Name()] = c
		p.plan.Customers = append(p.plan.Customers, c)
	}
	c.Steps = append(c.Steps, s)
}

func (p *planner) invoice(invoice []int) error {
	customer := p.customer(invoice)
	if p.plan.Lines[invoice[0]].cancels() {
		return p.takeBack(customer, invoice)
	}
	return p.sell(customer, invoice)
}

// sell plans an invoice that sells, and the write-offs on it.
func (p *planner) sell(c *Customer, invoice []int) error {
	basket := newBasket()
	written := 0
	for _, i := range invoice {
		l := p.plan.Lines[i]
		if writesOff(l) {
			written++
			p.writeOff(i, written)
			continue
		}
		price, fate := p.judge(l)
		if fate != "" {
			p.leaveOut(i, fate)
			continue
		}
		v := p.variants[sku(l.Code, price)]
		v.Sold += l.Quantity
		basket.add(v, l.Quantity)
		p.entry(i, l.Quantity, Ordered, "")
	}
	if len(basket.items) == 0 {
		return nil
	}
	first := p.plan.Lines[invoice[0]]
	bought := &purchase{}
	for n, items := range basket.parts() {
		total, err := amount(p.plan.Currency, items)
		if err != nil {
			return err
		}
		o := &Order{Invoice: first.Invoice, Part: n + 1, Country: first.Country, Items: items, Total: total}
		bought.add(o)
		p.does(c, Step{Order: o})
	}
	p.purchases[c] = append(p.purchases[c], bought)
	return nil
}

func (p *planner) leaveOut(i int, fate Fate) {
	l := p.plan.Lines[i]
	note := l.Bad
	if fate == Unreadable && note == "" {
		note = "its price is no amount"
	}
	p.entry(i, magnitude(l.Quantity), fate, note)
}

func (p *planner) writeOff(i, number int) {
	l := p.plan.Lines[i]
	product := p.products[l.Code]
	if product == nil {
		p.entry(i, -l.Quantity, NeverSold, l.Description)
		return
	}
	v := product.Variants[0]
	v.Written -= l.Quantity
	mark := l.Invoice
	if number > 1 {
		mark = fmt.Sprintf("%s/%d", l.Invoice, number)
	}
	p.plan.WriteOffs = append(p.plan.WriteOffs, WriteOff{Mark: mark, Variant: v, Pieces: -l.Quantity, Why: l.Description})
	p.entry(i, -l.Quantity, WrittenOff, l.Description)
}

func magnitude(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// amount is what items cost.
func amount(currency string, items []Item) (money.Money, error) {
	total := money.Money{Currency: currency}
	for _, item := range items {
		cost, err := item.Variant.Price.Mul(item.Pieces)
		if err != nil {
			return money.Money{}, err
		}
		if total, err = total.Add(cost); err != nil {
			return money.Money{}, err
		}
	}
	return total, nil
}
