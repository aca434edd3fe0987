package replay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"stoa/modules/orders/internal/replay/history"
	"stoa/platform/money"
)

// What the catalog's API says and is told.
type (
	product struct {
		ID       string    `json:"id,omitempty"`
		Slug     string    `json:"slug"`
		Title    string    `json:"title"`
		Status   string    `json:"status"`
		Vendor   string    `json:"vendor"`
		Options  []option  `json:"options"`
		Variants []variant `json:"variants"`
	}
	option struct {
		Name   string   `json:"name"`
		Values []string `json:"values"`
	}
	variant struct {
		SKU     string            `json:"sku"`
		Options map[string]string `json:"options"`
		Price   money.Money       `json:"price"`
	}
	adjustment struct {
		Delta  int64  `json:"delta"`
		Reason string `json:"reason"`
	}
	movement struct {
		Quantity int64  `json:"quantity"`
		OrderID  string `json:"order_id"`
		Reason   string `json:"reason"`
	}
	level struct {
		OnHand   int64 `json:"on_hand"`
		Reserved int64 `json:"reserved"`
	}
)

// priceOption is the way in which a code's variants differ.
const priceOption = "Price"

const statusActive = "active"

// fillShelves has every product of the plan in the shop, with its stock.
func (r *replay) fillShelves(ctx context.Context) error {
	for _, p := range r.plan.Products {
		for _, v := range p.Variants {
			r.stock[v] = &stock{done: map[string]bool{}}
		}
	}
	r.progress.begin("products", len(r.plan.Products))
	return r.each(ctx, len(r.plan.Products), func(ctx context.Context, i int) error {
		defer r.progress.add(1)
		p := r.plan.Products[i]
		return r.refuse("product "+p.Code, r.shelve(ctx, p))
	})
}

func offer(v *history.Variant) variant {
	return variant{SKU: v.SKU, Options: map[string]string{priceOption: v.Price.Decimal()}, Price: v.Price}
}

func draft(p *history.Product) product {
	d := product{Slug: slug(p.Code), Title: p.Title, Status: statusActive, Vendor: vendor, Options: []option{{Name: priceOption}}}
	for _, v := range p.Variants {
		d.Options[0].Values = append(d.Options[0].Values, v.Price.Decimal())
		d.Variants = append(d.Variants, offer(v))
	}
	return d
}

// shelve makes a product, or brings one that is there up to the plan.
func (r *replay) shelve(ctx context.Context, p *history.Product) error {
	want := draft(p)
	made, err := r.shop.do(ctx, call{
		method: http.MethodPost, path: "/products", body: want, key: "product " + want.Slug, as: r.admin,
	}, nil)
	fresh := err == nil && !made.replayed
	if err != nil {
		if p := refusal(err); p == nil || p.Status != http.StatusConflict {
			return err
		}
		if err := r.complete(ctx, want); err != nil {
			return err
		}
	}
	if fresh {
		r.note(func(res *result) { res.products++ })
	}
	for _, v := range p.Variants {
		if err := r.stockIn(ctx, v, fresh); err != nil {
			return err
		}
	}
	return nil
}

// complete adds what a product that is there lacks.
func (r *replay) complete(ctx context.Context, want product) error {
	var have product
	if _, err := r.shop.do(ctx, call{method: http.MethodGet, path: "/products/" + url.PathEscape(want.Slug), as: r.admin}, &have); err != nil {
		return err
	}
	known := map[string]variant{}
	for _, v := range have.Variants {
		known[v.SKU] = v
	}
	var missing []variant
	for _, v := range want.Variants {
		old, there := known[v.SKU]
		switch {
		case !there:
			missing = append(missing, v)
		case old.Price != v.Price:
			path := fmt.Sprintf("/products/%s/variants/%s", have.ID, url.PathEscape(v.SKU))
			if _, err := r.shop.do(ctx, call{method: http.MethodPatch, path: path, body: map[string]any{"price": v.Price}, as: r.admin}, nil); err != nil {
				return err
			}
		}
	}
	if have.Status != statusActive {
		path := "/products/" + have.ID
		if _, err := r.shop.do(ctx, call{method: http.MethodPatch, path: path, body: map[string]any{"status": statusActive}, as: r.admin}, nil); err != nil {
			return err
		}
	}
	for _, v := range missing {
		if _, err := r.shop.do(ctx, call{
			method: http.MethodPost, path: "/products/" + have.ID + "/variants", body: v, key: "variant " + v.SKU, as: r.admin,
		}, nil); err != nil {
			return err
		}
	}
	return nil
}

// errMore says that this run is for less than what was done already.
var errMore = errors.New("more of this file was replayed here before; run it with no smaller --limit")

// stockIn puts in what the file takes out, where an earlier run has not.
func (r *replay) stockIn(ctx context.Context, v *history.Variant, fresh bool) error {
	s := r.stock[v]
	reason := stockInReason(r.file)
	var before int64
	if !fresh {
		err := list(ctx, r.shop, r.admin, "/inventory/"+url.PathEscape(v.SKU)+"/movements", func(m movement) {
			switch {
			case m.OrderID != "" && r.earlier.ids[m.OrderID]:
			case m.Reason == reason:
				before += m.Quantity
			case r.reasons[v][m.Reason]:
				s.done[m.Reason] = true
			default:
				s.others += m.Quantity
			}
		})
		if err != nil {
			return err
		}
	}
	missing := v.StockIn() - before
	if missing < 0 {
		return fmt.Errorf("%w (%d pieces of %s)", errMore, before, v.SKU)
	}
	if missing > 0 {
		key := fmt.Sprintf("stock of %s %s %d to %d", r.file, v.SKU, before, v.StockIn())
		if err := r.move(ctx, v, adjustment{missing, reason}, key); err != nil {
			return err
		}
	}
	s.usable = true
	r.note(func(res *result) {
		res.moved[v] += v.StockIn()
		res.in += missing
	})
	return nil
}

// move changes the stock of a variant.
func (r *replay) move(ctx context.Context, v *history.Variant, a adjustment, key string) error {
	_, err := r.shop.do(ctx, call{
		method: http.MethodPost, path: "/inventory/" + url.PathEscape(v.SKU) + "/adjustments", body: a, key: key, as: r.admin,
	}, nil)
	return err
}

// adjust changes the stock of a variant for a reason that is only once.
func (r *replay) adjust(ctx context.Context, v *history.Variant, delta int64, reason string) error {
	s := r.stock[v]
	if !s.usable {
		return fmt.Errorf("%w: the stock of %s is not known", errSkipped, v.SKU)
	}
	if !s.done[reason] {
		if err := r.move(ctx, v, adjustment{delta, reason}, "stock "+v.SKU+" "+reason); err != nil {
			return err
		}
	}
	r.note(func(res *result) { res.moved[v] += delta })
	return nil
}

// writeOff takes out what the file writes off.
func (r *replay) writeOff(ctx context.Context) error {
	r.progress.begin("write-offs", len(r.plan.WriteOffs))
	return r.each(ctx, len(r.plan.WriteOffs), func(ctx context.Context, i int) error {
		defer r.progress.add(1)
		w := r.plan.WriteOffs[i]
		err := r.adjust(ctx, w.Variant, -w.Pieces, writeOffReason(w))
		if err == nil {
			r.note(func(res *result) { res.out += w.Pieces })
		}
		return r.refuse("write-off "+w.Mark, err)
	})
}
