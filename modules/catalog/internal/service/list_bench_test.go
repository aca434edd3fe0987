package service_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/service"
)

// BenchmarkRead reads a shop of 20,832 products: as its customers do, who are
// given what is remembered, and as staff do, who are not.
func BenchmarkRead(b *testing.B) {
	s := openImporting(b)
	s.good(b, journey(b), service.ImportOptions{Format: "shopify"})
	some, _, err := s.ListProducts(b.Context(), service.ListQuery{Limit: 200})
	require.NoError(b, err)
	list := func(q service.ListQuery) func() error {
		q.Limit = 20
		return func() error {
			page, _, err := s.ListViews(b.Context(), q)
			if err == nil && len(page) == 0 {
				return fmt.Errorf("nothing is listed for %+v", q)
			}
			return err
		}
	}
	turn := 0
	cases := []struct {
		name string
		do   func() error
	}{
		{"product", func() error { _, err := s.ViewProduct(b.Context(), some[0].ID); return err }},
		{"product by slug", func() error { _, err := s.ViewProduct(b.Context(), some[0].Slug); return err }},
		{"product as staff", func() error { _, err := s.GetProduct(b.Context(), some[0].ID); return err }},
		{"page", list(service.ListQuery{})},
		{"page by price", list(service.ListQuery{Sort: service.SortPrice})},
		{"page by title", list(service.ListQuery{Sort: service.SortTitle})},
		{"page of a vendor", list(service.ListQuery{Vendor: "Private"})},
		{"page of a vendor by price", list(service.ListQuery{Vendor: "Private", Sort: service.SortPrice})},
		{"page of a tag in stock", list(service.ListQuery{Tag: "GROCERY", InStock: ptr(true)})},
		{"page of prices", list(service.ListQuery{MinPrice: ptr[int64](1000), MaxPrice: ptr[int64](2000)})},
		{"page as staff", func() error { _, _, err := s.ListProducts(b.Context(), service.ListQuery{Limit: 20}); return err }},
	}
	for _, text := range []string{"cheese", "soft drinks", "eggs", "ch", "private", "frozen pizza", "a"} {
		cases = append(cases, struct {
			name string
			do   func() error
		}{"search " + text, list(service.ListQuery{Text: text})})
	}
	words := []string{"cheese", "milk", "bread", "coffee", "candy", "pizza", "yogurt", "shampoo", "chips", "juice", "sauce", "cereal", "cookies", "tea", "soap", "nuts"}
	cases = append(cases, struct {
		name string
		do   func() error
	}{"search of many words", func() error {
		turn++
		return list(service.ListQuery{Text: words[turn%len(words)]})()
	}})
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if err := c.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCheckout takes stock as an order of two lines does, one at a time.
func BenchmarkCheckout(b *testing.B) {
	s := open(b)
	s.sell(b, "lamp", 1_000_000_000)
	s.sell(b, "chair", 1_000_000_000)
	order := 0
	for b.Loop() {
		order++
		id := fmt.Sprintf("order-%d", order)
		if _, err := s.GetOffers(b.Context(), catalog.GetOffersRequest{SKUs: []string{"lamp", "chair"}}); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Reserve(b.Context(), catalog.ReserveRequest{OrderID: id, Items: []catalog.Item{{SKU: "lamp", Quantity: 1}, {SKU: "chair", Quantity: 2}}}); err != nil {
			b.Fatal(err)
		}
		if err := s.Commit(b.Context(), catalog.CommitRequest{OrderID: id}); err != nil {
			b.Fatal(err)
		}
	}
}
