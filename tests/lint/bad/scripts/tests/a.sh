if then fi fi (
