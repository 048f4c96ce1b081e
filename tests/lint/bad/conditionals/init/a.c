#ifdef __arm__
