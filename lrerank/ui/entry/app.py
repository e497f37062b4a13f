"""What `lrerank app` gives to Streamlit, which puts this folder at the front of sys.path: nothing else may live in it."""

if __name__ == "__main__":
    # Inside the guard, because a spawned worker runs this file again and needs none of it.
    from lrerank.ui.main import main

    main()
