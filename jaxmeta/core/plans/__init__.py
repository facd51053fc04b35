"""Operations as plans on metadata, and programs that run them."""
