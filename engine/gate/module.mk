engine_gate_OBJS := engine/gate/gate.o engine/gate/trust.o engine/gate/identity.o engine/gate/revoked.o engine/gate/keep.o engine/gate/sign.o
