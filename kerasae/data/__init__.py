"""Where images come from, and who is trained and tested on which; loads neither Keras nor TensorFlow."""

from kerasae.data.images import image_from_bytes as image_from_bytes
from kerasae.data.images import image_from_pixels as image_from_pixels
from kerasae.data.images import is_gray as is_gray
from kerasae.data.images import read_image as read_image
from kerasae.data.images import write_image as write_image
from kerasae.data.sources import data_card as data_card
from kerasae.data.sources import load_images as load_images
from kerasae.data.splits import ImageSet as ImageSet
from kerasae.data.splits import eight_bit as eight_bit
from kerasae.data.splits import split_indices as split_indices
