"""What a predictor sees and does on one clip, as arrays in a file and as a figure."""
