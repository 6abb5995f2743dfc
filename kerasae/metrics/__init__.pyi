from .pixel import mse as mse
from .pixel import psnr as psnr
from .registry import METRICS as METRICS
from .registry import Metric as Metric
from .registry import psnr_of_mse as psnr_of_mse
from .structural_similarity import ms_ssim as ms_ssim
from .structural_similarity import ssim as ssim
from .structural_similarity import ssim_gaussian as ssim_gaussian
