"""Many runs: plan them, check them, launch them."""
