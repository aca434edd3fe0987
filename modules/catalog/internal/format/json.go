package format

import (
	"bufio"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// A JSON file is an object with one member, "products", an array of products;
// the array alone is read too. Files are written with one product on each line,
// so that they can be read and compared by line:
//
//	{"products":[
//	{"slug":"floor-lamp","title":"Floor Lamp","description":"","status":"active",
//	 "vendor":"","product_type":"","tags":[],"categories":["lamps/floor"],
//	 "images":[{"url":"https://…","alt":"","position":1}],
//	 "options":[{"name":"Size","values":["S","M"]}],
//	 "variants":[{"sku":"floor-lamp--s","title":"S","options":{"Size":"S"},
//	  "price":{"amount":6999,"currency":"USD"},"compare_at_price":null,
//	  "barcode":"","weight_grams":0,"position":1,"quantity":5}]}
//	]}
//
// (each product on one line). When a file is read:
//
//   - only the title is required; a variant needs a price. What is left out is
//     made as for the other formats: the slug from the title, the SKU from slug
//     and options, the options from those of the variants.
//   - a price is an amount in minor units with its currency, or a number or text
//     in major units (19.99), which is read exactly, of the currency in the
//     member "currency" or else that of the import.
//   - a product without "variants" may have the members of one variant itself:
//     {"name": "Boots", "brand": "Daybird", "price": 109.99}.
//   - names may be written in any case, and "name", "handle", "brand" and "type"
//     are known for "title", "slug", "vendor" and "product_type". What only the
//     shop itself sets is ignored, so that what the API shows of a product can
//     be read: "id", "version", "created_at", "updated_at"; a category may be an
//     object with a "path", and "stock" one with "on_hand". Every other name is
//     an error.
//   - a product that is not understood is refused and reading goes on, duplicate
//     names and text that is not UTF-8 included. Where the JSON itself is
//     broken, the file ends.
type jsonSource struct {
	in      *budget
	dec     *jsontext.Decoder
	options Options
	wrapped bool // the array is a member of an object
	row     int
	product jsonProduct
}

func newJSONSource(in *bufio.Reader, o Options) (*jsonSource, error) {
	s := &jsonSource{in: &budget{in: in, left: MaxProduct}, options: o}
	// Within a product both are found again when it is read strictly; here they
	// would end the file.
	s.dec = jsontext.NewDecoder(s.in, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	return s, s.open()
}

// open reads up to the first product.
func (s *jsonSource) open() error {
	token, err := s.dec.ReadToken()
	if err != nil {
		return s.failed(err)
	}
	if token.Kind() == '{' {
		s.wrapped = true
		if token, err = s.dec.ReadToken(); err != nil {
			return s.failed(err)
		}
		if token.Kind() != '"' || token.String() != "products" {
			return broken(1, "", `the object's only member must be "products"`)
		}
		if token, err = s.dec.ReadToken(); err != nil {
			return s.failed(err)
		}
	}
	if token.Kind() != '[' {
		return broken(1, "", `the file is neither an object {"products": […]} nor an array of products`)
	}
	return nil
}

// value gives the next product as it stands in the file, or io.EOF.
func (s *jsonSource) value() (jsontext.Value, error) {
	s.in.left = MaxProduct
	if s.dec.PeekKind() == ']' {
		return nil, s.end()
	}
	s.row++
	value, err := s.dec.ReadValue()
	if err != nil {
		return nil, s.failed(err)
	}
	return value, nil
}

// end reads what follows the last product. It returns io.EOF if that is nothing.
func (s *jsonSource) end() error {
	if _, err := s.dec.ReadToken(); err != nil {
		return s.failed(err)
	}
	if s.wrapped {
		token, err := s.dec.ReadToken()
		if err != nil {
			return s.failed(err)
		}
		if token.Kind() != '}' {
			return broken(max(s.row, 1), "", `the object's only member must be "products"`)
		}
	}
	switch _, err := s.dec.ReadToken(); {
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return io.EOF
	case err != nil:
		return s.failed(err)
	}
	return broken(max(s.row, 1), "", "something follows the end of the JSON")
}

// failed tells broken JSON from a file that could not be read.
func (s *jsonSource) failed(err error) error {
	row := max(s.row, 1)
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, errBudget):
		return broken(row, "", "the product is larger than %d MiB", MaxProduct>>20)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return broken(row, "", "the JSON ends too early")
	case errors.As(err, &syntax):
		return broken(row, "", "this is not JSON, %d bytes into the file: %s", syntax.ByteOffset, clip(syntax.Err.Error()))
	}
	return err
}

func (s *jsonSource) next() (Record, error) {
	value, err := s.value()
	if err != nil {
		return Record{}, err
	}
	return s.product.read(value, s.row, s.options), nil
}

func (s *jsonSource) locate(record *Record, f Fault) RowError {
	return RowError{record.First, f.Path(), f.Message}
}

// countProducts counts the products of a JSON file.
func countProducts(in *bufio.Reader) (int, error) {
	s, err := newJSONSource(in, Options{})
	if err != nil {
		return 0, err
	}
	for {
		if _, err := s.value(); errors.Is(err, io.EOF) {
			return s.row, nil
		} else if err != nil {
			return 0, err
		}
	}
}

// budget is a file of which only so much is read for one product.
type budget struct {
	in   io.Reader
	left int
}

var errBudget = errors.New("the product is too large")

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errBudget
	}
	n, err := b.in.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
