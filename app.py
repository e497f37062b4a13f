"""The workbench from a checkout: `streamlit run app.py`. `lrerank app` does the same from anywhere."""

if __name__ == "__main__":
    # Inside the guard, because a spawned worker runs this file again and needs none of it.
    from lrerank.ui.main import main

    main()
