from imagerift_operator.main import main

main()
