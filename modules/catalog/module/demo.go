package module

import (
	"bytes"
	"context"
	_ "embed" // the demo catalogue
	"fmt"
)

// demoProducts is the catalogue of eShop; see demo.LICENSE.txt.
//
//go:embed demo.json
var demoProducts []byte

// demo fills a catalogue that has no product.
func (m *wiring) demo(ctx context.Context) ([]string, error) {
	made, err := m.service.FillDemo(ctx, bytes.NewReader(demoProducts))
	if err != nil {
		return nil, fmt.Errorf("fill the demo catalogue: %w", err)
	}
	if made == 0 {
		return nil, nil
	}
	return []string{
		fmt.Sprintf("browse %d products: {api}/products", made),
		"search them: curl '{api}/products?q=boots&in_stock=true&sort=price'",
	}, nil
}
