"""Bytes against quality: trained models beside JPEG, WebP, AVIF, JPEG 2000 and JPEG XL."""
