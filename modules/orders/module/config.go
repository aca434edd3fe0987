package module

import (
	"time"

	"stoa/modules/orders/internal/service"
)

// ordersConfig is the section "orders".
type ordersConfig struct {
	CheckoutTimeout time.Duration `koanf:"checkout_timeout" min:"1ms" usage:"after which a pending order is rejected and all taken for it is given back"`
}

// cartsConfig is the section "carts".
type cartsConfig struct {
	TTL time.Duration `koanf:"ttl" min:"1s" usage:"how long a cart is kept after its last change"`
}

// settings are those of the module, as they are declared.
type settings struct {
	orders ordersConfig
	carts  cartsConfig
	shop   service.Shop
}

func defaults() settings {
	return settings{
		orders: ordersConfig{CheckoutTimeout: 30 * time.Second},
		carts:  cartsConfig{TTL: 30 * 24 * time.Hour},
		shop:   service.DefaultShop(),
	}
}

func (s settings) config() service.Config {
	return service.Config{CheckoutTimeout: s.orders.CheckoutTimeout, CartTTL: s.carts.TTL, Shop: s.shop}
}
