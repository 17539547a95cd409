"""One trip → its jolts and its passes."""
