"""CompressAI beside kerasae: trained and measured in an environment of its own, never imported here."""

from kerasae.bench.compressai.launch import train_compressai as train_compressai
from kerasae.bench.compressai.result import CompressaiResult as CompressaiResult
