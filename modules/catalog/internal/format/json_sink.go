package format

import (
	"bufio"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"stoa/platform/money"
)

// jsonSink writes a JSON file.
type jsonSink struct {
	out *bufio.Writer
	any bool // a product has been written
}

func newJSONSink(w io.Writer) (*jsonSink, error) {
	out := bufio.NewWriterSize(w, 64<<10)
	_, err := out.WriteString(`{"products":[`)
	return &jsonSink{out: out}, err
}

func (s *jsonSink) write(p *Product) error {
	text, err := marshalProduct(p)
	if err != nil {
		return err
	}
	separator := ",\n"
	if !s.any {
		separator, s.any = "\n", true
	}
	if _, err := s.out.WriteString(separator); err != nil {
		return err
	}
	_, err = s.out.Write(text)
	return err
}

func (s *jsonSink) close() error {
	if _, err := s.out.WriteString("\n]}\n"); err != nil {
		return err
	}
	return s.out.Flush()
}

// What a product is in a file, in the order of its members.
type (
	productCell struct {
		Slug        string        `json:"slug"`
		Title       string        `json:"title"`
		Description string        `json:"description"`
		Status      string        `json:"status"`
		Vendor      string        `json:"vendor"`
		ProductType string        `json:"product_type"`
		Tags        []string      `json:"tags"`
		Categories  []string      `json:"categories"`
		Images      []imageCell   `json:"images"`
		Options     []optionCell  `json:"options"`
		Variants    []variantCell `json:"variants"`
	}
	variantCell struct {
		SKU            string            `json:"sku"`
		Title          string            `json:"title"`
		Options        map[string]string `json:"options"`
		Price          money.Money       `json:"price"`
		CompareAtPrice *money.Money      `json:"compare_at_price"`
		Barcode        string            `json:"barcode"`
		WeightGrams    int64             `json:"weight_grams"`
		Position       int64             `json:"position"`
		Quantity       *int64            `json:"quantity"`
	}
)

// marshalProduct writes a product on one line, the same bytes for the same
// product.
func marshalProduct(p *Product) ([]byte, error) {
	cell := productCell{
		Slug: p.Slug, Title: p.Title, Description: p.Description, Status: p.Status,
		Vendor: p.Vendor, ProductType: p.ProductType, Tags: p.Tags, Categories: p.Categories,
	}
	for _, image := range p.Images {
		cell.Images = append(cell.Images, imageCell{image.URL, image.Alt, &image.Position})
	}
	for _, o := range p.Options {
		cell.Options = append(cell.Options, optionCell(o))
	}
	for _, v := range p.Variants {
		cell.Variants = append(cell.Variants, variantCell{
			v.SKU, v.Title, v.Options, v.Price, v.CompareAtPrice, v.Barcode, v.WeightGrams, v.Position, v.Quantity,
		})
	}
	return json.Marshal(cell, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
}
