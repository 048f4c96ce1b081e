engine_image_OBJS := engine/image/layer.o engine/image/lease.o engine/image/take.o engine/image/take_blob.o \
	engine/image/tree.o engine/image/blobs.o engine/image/give.o
