engine_image_OBJS := engine/image/layer.o engine/image/take.o
