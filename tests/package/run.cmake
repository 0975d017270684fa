# cmake -DBUILD=build folder -DSOURCE=this folder -DWORK=scratch folder -DCXX=compiler -P run.cmake
#
# Installs what is built, builds the consumer against it and runs that. Any step that fails ends the test.
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK}/data)
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/installed --component development)
run(${CMAKE_COMMAND} -G Ninja -S ${SOURCE} -B ${WORK}/build -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_PREFIX_PATH=${WORK}/installed)
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/consumer ${WORK}/data)
