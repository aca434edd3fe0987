package service

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"stoa/modules/orders"
	"stoa/platform/country"
	"stoa/platform/errs"
)

// How long what people write may be, in characters (Unicode code points).
const (
	maxLine     = 200
	maxShort    = 100
	maxPostal   = 20
	maxPhone    = 40
	maxCarrier  = 100
	maxTracking = 100
	maxReason   = 500
)

// problems gathers what is wrong with a request.
type problems struct{ err *errs.Error }

func (p *problems) add(location, format string, args ...any) {
	if p.err == nil {
		p.err = errs.ErrInvalid
	}
	p.err = p.err.Field(location, format, args...)
}

func (p *problems) error() error {
	if p.err == nil {
		return nil
	}
	return p.err
}

// line trims a text of one line and says where it will not do.
func (p *problems) line(location string, text *string, least, most int) {
	*text = strings.TrimSpace(*text)
	switch n := utf8.RuneCountInString(*text); {
	case n < least:
		p.add(location, "must not be empty")
	case n > most:
		p.add(location, "must be at most %d characters", most)
	case strings.ContainsFunc(*text, unicode.IsControl):
		p.add(location, "must not have control characters")
	}
}

// text trims a text of several lines, which may be empty, and says where it
// will not do.
func (p *problems) text(location string, text *string, most int) {
	*text = strings.TrimSpace(*text)
	if utf8.RuneCountInString(*text) > most {
		p.add(location, "must be at most %d characters", most)
	}
}

// address trims a shipping address and says where it will not do.
func (p *problems) address(a *orders.ShippingAddress) {
	const at = "body.shipping_address."
	p.line(at+"name", &a.Name, 1, maxLine)
	p.line(at+"line1", &a.Line1, 1, maxLine)
	p.line(at+"line2", &a.Line2, 0, maxLine)
	p.line(at+"city", &a.City, 1, maxShort)
	p.line(at+"region", &a.Region, 0, maxShort)
	p.line(at+"postal_code", &a.PostalCode, 0, maxPostal)
	p.line(at+"phone", &a.Phone, 0, maxPhone)
	if !country.Valid(a.Country) {
		p.add(at+"country", "is no country's code of two capital letters (ISO 3166-1 alpha-2)")
	}
}
